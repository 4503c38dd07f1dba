"""Evidence: what was seen when it was decided on, and packages of it that others can verify."""
