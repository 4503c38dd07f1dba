"""Notifiers: their record, and its effects on the deadline and examination of their notices."""
