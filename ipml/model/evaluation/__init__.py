"""How good a model is: measures of a ranking with intervals over sellers, honest splits, and where it is weak."""
