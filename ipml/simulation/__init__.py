"""Simulation: makes a marketplace with known truth from a seed."""
