"""A marketplace with known truth, made from a seed."""
