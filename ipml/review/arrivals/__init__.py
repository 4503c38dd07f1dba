"""What the marketplace submits, and how it becomes cases."""
