"""Acting without review, as long as a promise of precision holds."""
