"""Penalties: strikes against sellers, and the penalties they lead to."""
