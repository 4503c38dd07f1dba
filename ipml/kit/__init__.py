"""What several layers need and no library gives; each module is one noun, and knows nothing of listings or cases."""
