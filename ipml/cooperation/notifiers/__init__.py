"""Who gives notice, how often they were right, and what follows from that."""
