"""Complaints and counter-notices, and the clocks they run by."""
