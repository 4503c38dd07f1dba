"""What sellers can share."""

from __future__ import annotations

from enum import StrEnum


class AttributeKind(StrEnum):
    """One kind of thing that two sellers can have in common."""

    PAYOUT = "payout"
    PHONE = "phone"
    DEVICE = "device"
    ADDRESS = "address"
    SHIP_FROM = "ship_from"
    IMAGE = "image"
    PHRASE = "phrase"
    TEMPLATE = "template"
    TIMING = "timing"


KINDS: tuple[AttributeKind, ...] = tuple(AttributeKind)

# What is made once and taken over by others, so that it tells who had it first.
GOODS_KINDS = frozenset({AttributeKind.IMAGE, AttributeKind.PHRASE, AttributeKind.TEMPLATE})

IN_WORDS = {
    AttributeKind.PAYOUT: "payout account",
    AttributeKind.PHONE: "phone",
    AttributeKind.DEVICE: "device",
    AttributeKind.ADDRESS: "address",
    AttributeKind.SHIP_FROM: "place of dispatch",
    AttributeKind.IMAGE: "image",
    AttributeKind.PHRASE: "phrase",
    AttributeKind.TEMPLATE: "template",
    AttributeKind.TIMING: "moment of listing",
}

IN_WORDS_OF_MANY = {kind: f"{words}s" for kind, words in IN_WORDS.items()} | {
    AttributeKind.ADDRESS: "addresses",
    AttributeKind.SHIP_FROM: "places of dispatch",
    AttributeKind.TIMING: "moments of listing",
}
