"""Near-duplicates: reviewed once, with one decision for all; relistings are recognised."""
