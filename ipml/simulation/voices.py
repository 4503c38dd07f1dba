"""In which voice an offer is written, and which sentences a voice uses how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """A way of writing an offer.

    Attributes
    ----------
    titles : str
        Its key under `[titles]` in the vocabulary.
    sentences : tuple of (str, float)
        Keys under `[sentences]`, in order, and how often such a sentence appears.
    """

    titles: str
    sentences: tuple[tuple[str, float], ...]


VOICES: dict[str, Voice] = {
    "retail": Voice(
        "shop",
        (("product", 1.0), ("assurance", 0.6), ("shipping", 0.8), ("returns", 0.7), ("bargain", 0.05)),
    ),
    "clearance": Voice(
        "shop",
        (("product", 0.9), ("bargain", 0.9), ("assurance", 0.3), ("shipping", 0.7), ("returns", 0.4)),
    ),
    "private": Voice("casual", (("used", 1.0), ("product", 0.4), ("shipping", 0.4), ("returns", 0.4))),
    "compatible": Voice(
        "compatible", (("product", 0.5), ("compatible", 0.8), ("shipping", 0.7), ("returns", 0.5), ("assurance", 0.2))
    ),
    "inspired": Voice("inspired", (("product", 0.4), ("inspired", 0.8), ("shipping", 0.7), ("returns", 0.4))),
    "eager": Voice("eager", (("product", 0.8), ("eager", 0.9), ("shipping", 0.5), ("bargain", 0.3))),
}
VOICE_CODES = {name: code for code, name in enumerate(VOICES)}

# How a kind of seller writes: parts of retail, clearance, private, compatible, inspired, eager. A counterfeiter's
# and a mixed seller's hold for what they copy.
VOICES_OF_KIND: dict[str, tuple[float, ...]] = {
    "authorised": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "shop": (0.88, 0.08, 0.04, 0.0, 0.0, 0.0),
    "discounter": (0.40, 0.56, 0.02, 0.0, 0.0, 0.02),
    "second-hand": (0.05, 0.05, 0.90, 0.0, 0.0, 0.0),
    "bargain": (0.33, 0.43, 0.16, 0.0, 0.0, 0.08),
    "lawful": (0.03, 0.02, 0.0, 0.60, 0.33, 0.02),
    "mixed": (0.65, 0.30, 0.05, 0.0, 0.0, 0.0),
    "counterfeiter": (0.50, 0.32, 0.18, 0.0, 0.0, 0.0),
}
