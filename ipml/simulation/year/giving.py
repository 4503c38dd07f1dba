"""Notices of the year, written as notifiers write them, and taken in as the programme takes in any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from ipml.cooperation.notices.checking import check_notice
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.policy import CooperationPolicy
from ipml.simulation.year.notices import Give
from ipml.simulation.year.rights import DrawnNotice

# As long as the policy asks of notifiers with a doubtful record.
_HOLDER = (
    "Neither the goods nor the pictures are ours: we never made this model in this colour, and know no such seller. "
    "The stitching of the seam, the shape of the clasp and the letters of the label differ from all that we have made, "
    "and at this price nobody could sell what we make."
)
_BUYER = (
    "What came is not the brand it was sold as: the label is glued on, and the serial number belongs to another. "
    "A shop of the brand has looked at it and says that the material is wrong, the seams are crooked and the box is "
    "none of theirs. The seller does not answer."
)


def giving(policy: CooperationPolicy) -> Give:
    """Return what gives notices under a policy."""

    def give(engine: Engine, notice: DrawnNotice, listing_ids: Sequence[str], now: datetime) -> None:
        said = write_notice(notice, listing_ids, now)
        receive(engine, check_notice(said, policy.notices, now=now), policy=policy, now=now)

    return give


def write_notice(notice: DrawnNotice, listing_ids: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return a notice as JSON has it."""
    said: dict[str, Any] = {
        "name": notice.name,
        "email": f"{notice.name}@notifiers.example",
        "good_faith": True,  # the one in bad faith says so, too
        "listings": [{"listing_id": listing_id} for listing_id in listing_ids],
        "key": f"{notice.name}-{now.isoformat()}-{listing_ids[0]}",
    }
    if notice.kind == "buyer":
        return said | {"kind": "complaint", "explanation": _BUYER, "order": {"order_id": listing_ids[0]}}
    brand = notice.brand or "Rival"
    return said | {"brand": brand, "rights": f"Trade mark of {brand}", "explanation": _HOLDER}
