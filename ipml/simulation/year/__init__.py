"""Simulated year: runs the anti-counterfeiting programme through the historical year, at a scale."""
