"""Console: pages for reviewers, leads and admins, by subject."""
