"""Kit: shared tools that no library provides; each module is one noun and independent of listings and cases."""
