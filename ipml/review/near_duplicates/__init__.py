"""Near-duplicates: reviewed once, the decision spread, relistings recognised."""
