"""A single listing scored in a fraction of the time that a frame of one takes, to the same bits."""

from ipml.model.single.listings import Judged, SingleListings

__all__ = ["Judged", "SingleListings"]
