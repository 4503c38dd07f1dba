"""Audit trail: records who did what, in rows that cannot be changed unnoticed."""
