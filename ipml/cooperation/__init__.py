"""What others tell us and what we tell them: the network behind the sellers."""
