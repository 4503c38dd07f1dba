"""The web console of reviewers and leads, and the HTTP API for programs."""
