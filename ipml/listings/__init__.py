"""Listings: read and check incoming data: fields, readers, column maps, brands and seller events."""
