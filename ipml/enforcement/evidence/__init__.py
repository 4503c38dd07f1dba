"""Evidence: stores the facts behind each decision, and exports verifiable packages."""
