"""Takedown: imposes and lifts measures on listings, and sends them to the platform."""
