"""Parquet: reader of untrusted files with bounded memory."""
