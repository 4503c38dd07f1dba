"""The portal for people of a rights holder, limited to their own brands."""
