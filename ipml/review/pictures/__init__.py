"""Pictures of listings: from where they may be loaded, how they are fetched and kept, and how they are shown."""
