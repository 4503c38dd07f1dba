"""A notice as it was checked: who tells the platform what of which listings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from ipml.records import Listing
from ipml.review.snapshot import digest
from ipml.storage.pseudonyms import digest_listing

NoticeKind = Literal["counterfeit", "complaint"]


@dataclass(frozen=True, slots=True)
class NotedListing:
    """Where a listing is, and perhaps what the platform knows of it.

    Attributes
    ----------
    listing_id : str or None
        None where nobody knows it: only the address was given, and it fits no pattern of the policy.
    url : str or None
        As the notifier wrote it.
    listing : Listing or None
        What a platform's own front end sends along.
    """

    listing_id: str | None
    url: str | None = None
    listing: Listing | None = None

    @property
    def location(self) -> str:
        """What the notifier pointed at."""
        return self.url or self.listing_id or ""

    @property
    def digest(self) -> str:
        """By which notices of the same listing meet, as long as nobody knows whose it is."""
        return digest_listing(self.listing_id) if self.listing_id is not None else digest(f"url {self.url}")


@dataclass(frozen=True, slots=True)
class Order:
    """What a consumer bought."""

    order_id: str
    bought_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of counterfeits, or a consumer's complaint, in which nothing is at fault.

    Attributes
    ----------
    kind : str
        "counterfeit" or "complaint".
    rights : str or None
        Document of the right to the brand, such as the number of a trade mark.
    key : str or None
        Identifies the request; sent again it is the same notice.
    """

    kind: NoticeKind
    explanation: str
    name: str
    email: str
    listings: tuple[NotedListing, ...]
    brand: str | None = None
    rights: str | None = None
    language: str | None = None
    key: str | None = None
    order: Order | None = None

    @property
    def content(self) -> str:
        """All it says but its key, always written alike."""
        said = asdict(self) | {"key": None}
        return json.dumps(said, default=_write_moment, separators=(",", ":"), sort_keys=True)


def _write_moment(moment: Any) -> str:
    if not isinstance(moment, datetime):
        raise TypeError(f"{moment!r} is no part of a notice")
    return moment.isoformat()
