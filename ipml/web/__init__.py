"""Web: the console for reviewers and leads, and the HTTP API for programs."""
