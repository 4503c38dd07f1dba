"""Reports: figures for brands and the public."""
