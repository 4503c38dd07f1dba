"""Automation: decides without review while a precision guarantee holds."""
