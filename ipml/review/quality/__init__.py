"""How good the reviewing is: second reviews, second persons, agreement, error rates and consensus."""
