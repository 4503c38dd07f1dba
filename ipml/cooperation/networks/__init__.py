"""Sellers joined by what they share, with the evidence of each link; the roles in a network, and what it sold."""
