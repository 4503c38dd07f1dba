"""Ranking: the expected value of reviews, the order of the queue, and deadlines."""
