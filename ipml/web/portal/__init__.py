"""The portal for people of a rights holder: what concerns their own brands, and nothing else."""
