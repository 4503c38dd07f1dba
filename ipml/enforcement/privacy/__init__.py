"""Privacy: erases sellers, expires records, and holds records for courts."""
