"""Parquet files of strangers, read within bounds."""
