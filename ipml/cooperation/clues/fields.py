"""What a package may hold, by name: a profile lists some of these, and nothing else leaves the marketplace."""

from __future__ import annotations

from enum import StrEnum

from ipml.cooperation.network.kinds import AttributeKind


class Field(StrEnum):
    """One kind of thing that a package can tell. Numbers, dates and the codes of a package itself are in every one."""

    SELLER_ID = "seller id"
    LISTING_ID = "listing id"
    LISTING_TEXT = "listing text"
    BRAND = "brand"
    COUNTRY = "country"
    STANDING = "standing"
    EVIDENCE = "evidence"
    PAYOUT_HASH = "payout hash"
    PHONE_HASH = "phone hash"
    DEVICE_HASH = "device hash"
    ADDRESS_HASH = "address hash"
    GOODS_HASH = "goods hash"


HASHES: dict[AttributeKind, Field] = {
    AttributeKind.PAYOUT: Field.PAYOUT_HASH,
    AttributeKind.PHONE: Field.PHONE_HASH,
    AttributeKind.DEVICE: Field.DEVICE_HASH,
    AttributeKind.ADDRESS: Field.ADDRESS_HASH,
    AttributeKind.SHIP_FROM: Field.ADDRESS_HASH,
    AttributeKind.IMAGE: Field.GOODS_HASH,
    AttributeKind.PHRASE: Field.GOODS_HASH,
    AttributeKind.TEMPLATE: Field.GOODS_HASH,
    AttributeKind.TIMING: Field.GOODS_HASH,
}
"""The field by which the keyed hash of a shared thing may be told."""
