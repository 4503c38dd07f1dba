"""What people of a rights holder may see and do in the brand portal."""
