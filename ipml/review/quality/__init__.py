"""Review quality: second reviews, second persons, agreement, error rates and consensus."""
