"""What pages draw: tables, charts and networks."""
