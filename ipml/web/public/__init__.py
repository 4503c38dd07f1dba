"""Public pages, without a login: a seller's page about a restriction, and a form for notices. Off by default."""
