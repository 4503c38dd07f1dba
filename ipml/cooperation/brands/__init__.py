"""The brand portal: notices, listings, sellers and evidence as a rights holder sees them."""
