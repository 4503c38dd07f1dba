"""Who sells on the marketplace as a trader: what they must have told, and who sells so much that more is asked."""
