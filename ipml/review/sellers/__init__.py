"""What is known of sellers: what they offer, what happened to them, and the lists they are on."""
