"""What tests share: set-up that more than one folder needs."""
