"""Complaints and counter-notices of sellers, and the deadlines they run by."""
