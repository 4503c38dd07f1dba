"""Review: people confirm or reject cases in the queue; their decisions become labels."""
