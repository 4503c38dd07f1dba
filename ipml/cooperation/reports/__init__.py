"""Reports in figures for brands and the public."""
