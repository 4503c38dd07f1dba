"""Find counterfeit listings on a marketplace: a score with reasons for every listing.

>>> import ipml
>>> ipml.Listing(listing_id="1", seller_id="s", title="Leather wallet").title
'Leather wallet'

Names that need the model are imported on first use, so that `import ipml` is quick and light.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ipml.errors import IpmlError
from ipml.records import Listing, Reason, ScoredListing

if TYPE_CHECKING:
    from ipml.features.registration import register_extractor
    from ipml.scoring.online_scoring import score_listings
    from ipml.scoring.scorer import Scorer, load_model

__version__ = version("ipml")
__all__ = [
    "IpmlError",
    "Listing",
    "Reason",
    "ScoredListing",
    "Scorer",
    "load_model",
    "register_extractor",
    "score_listings",
]

_LATE = {
    "Scorer": "ipml.scoring.scorer",
    "load_model": "ipml.scoring.scorer",
    "register_extractor": "ipml.features.registration",
    "score_listings": "ipml.scoring.online_scoring",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'ipml' has no attribute {name!r}")
