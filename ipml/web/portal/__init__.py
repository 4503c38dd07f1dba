"""Portal: pages for rights holders, limited to their own brands."""
