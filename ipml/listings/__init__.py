"""What comes in: fields, readers, marketplaces, brands and the history of sellers."""
