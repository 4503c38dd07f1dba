"""What follows from a decision: evidence, measure, statement, strike, and how a wrong one is put right."""
