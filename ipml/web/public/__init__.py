"""Public pages: a seller's page about a restriction and a form for notices, without a login; off by default."""
