"""Enforcement commands: measures, statements, penalties, appeals and automatic action (`ipml enforce`)."""
