"""What is reviewed first: what a review is worth, in which order the queue is worked, and deadlines."""
