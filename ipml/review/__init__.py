"""People confirm: the queue, and the labels that come back from it."""
