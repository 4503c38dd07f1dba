"""How good the reviewing is: further looks, second persons, agreement, error rates and consensus."""
