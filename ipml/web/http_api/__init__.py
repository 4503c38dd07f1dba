"""The HTTP API for programs: scoring, measures, notices, monitoring."""
