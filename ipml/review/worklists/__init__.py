"""What reviewers find and share: searches, views, queues, assignment, comments."""
