"""What brands and the public are told, in figures."""
