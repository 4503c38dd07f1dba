"""Pictures of listings: permitted hosts, fetching, storage, recognition and display."""
