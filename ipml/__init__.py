"""ipml: finds counterfeit listings on a marketplace, with reasons for every score, and carries the decisions out.

The names below are the public interface. They keep their meaning until the next major version; everything else may
move or change. Commands, settings, column maps and the HTTP API are public too: see the reference.

Score listings:
    `load_model`, `Scorer`, `score_listings`, `Listing`, `ScoredListing`, `Reason`

Read and check listings:
    `read_listings`, `check_listings`, `load_columns`

Train and evaluate a model:
    `CounterfeitClassifier`, `make_features`, `OwnFeatures`, `make_extra_features`, `shares_of_others`,
    `register_extractor`, `load_experiment`, `train`

Try it without data, or on a cluster:
    `simulate_marketplace`, `score_on_spark`, `SellerHistory`

Catch errors:
    `IpmlError`

Names that need more than records are imported on first use, so that `import ipml` is quick and light.

>>> import ipml
>>> ipml.Listing(listing_id="1", seller_id="s", title="Leather wallet").title
'Leather wallet'
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ipml.errors import IpmlError
from ipml.records import Listing, Reason, ScoredListing

if TYPE_CHECKING:
    from ipml.features.extra import make_extra_features
    from ipml.features.own import OwnFeatures
    from ipml.features.portfolio import shares_of_others
    from ipml.features.registration import register_extractor
    from ipml.listings.maps.column_maps import load_columns
    from ipml.listings.readers import read_listings
    from ipml.listings.schema import check_listings
    from ipml.model.pipeline import CounterfeitClassifier, make_features
    from ipml.model.training import load_experiment, train
    from ipml.scoring.online_scoring import score_listings
    from ipml.scoring.scorer import Scorer, load_model
    from ipml.scoring.spark import SellerHistory, score_on_spark
    from ipml.simulation.marketplace import simulate_marketplace

__version__ = version("ipml")
__all__ = [
    "CounterfeitClassifier",
    "IpmlError",
    "Listing",
    "OwnFeatures",
    "Reason",
    "ScoredListing",
    "Scorer",
    "SellerHistory",
    "check_listings",
    "load_columns",
    "load_experiment",
    "load_model",
    "make_extra_features",
    "make_features",
    "read_listings",
    "register_extractor",
    "score_listings",
    "score_on_spark",
    "shares_of_others",
    "simulate_marketplace",
    "train",
]

_LATE = {
    "CounterfeitClassifier": "ipml.model.pipeline",
    "OwnFeatures": "ipml.features.own",
    "Scorer": "ipml.scoring.scorer",
    "SellerHistory": "ipml.scoring.spark",
    "check_listings": "ipml.listings.schema",
    "load_columns": "ipml.listings.maps.column_maps",
    "load_experiment": "ipml.model.training",
    "load_model": "ipml.scoring.scorer",
    "make_extra_features": "ipml.features.extra",
    "make_features": "ipml.model.pipeline",
    "read_listings": "ipml.listings.readers",
    "register_extractor": "ipml.features.registration",
    "score_listings": "ipml.scoring.online_scoring",
    "score_on_spark": "ipml.scoring.spark",
    "shares_of_others": "ipml.features.portfolio",
    "simulate_marketplace": "ipml.simulation.marketplace",
    "train": "ipml.model.training",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'ipml' has no attribute {name!r}")
