"""Forgetting sellers, keeping no record longer than it must, and holding what a court needs."""
