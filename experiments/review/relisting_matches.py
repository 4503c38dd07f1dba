"""Precision and recall of matches with confirmed counterfeits, by kind of match and by how a title was changed.

    python -m experiments.review.relisting_matches --first 201 --seeds 4

On a simulated marketplace half of the counterfeits are confirmed. All other listings arrive as they are, which gives
the precision of each kind of match before anybody lists a counterfeit again; then titles of confirmed ones arrive from
another seller, at the same price, changed in each way. Pictures are left out: here thousands show those of a catalogue.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from ipml.listings.schema import check_listings, frame_to_listings
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.near_duplicates.relistings import Relisting, find_relistings
from ipml.review.ranking.policy import load_policy
from ipml.simulation.marketplace import simulate_marketplace
from ipml.storage.database import in_batches, migrate, open_database, reading, writing

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MOST_AGAIN = 400
PADDING = (
    *("new", "gift", "for", "men", "women", "original", "quality", "best", "fast"),
    *("shipping", "free", "delivery", "2024", "style", "fashion", "luxury", "premium", "box"),
    *("bag", "sale", "hot", "unisex", "classic", "limited", "edition", "vintage"),
)
CYRILLIC = str.maketrans("aeopc", "\u0430\u0435\u043e\u0440\u0441")
Words = list[str]


def pad(words: Words, n: int, rng: np.random.Generator) -> Words:
    """Return words with others behind them."""
    return [*words, *map(str, rng.choice(PADDING, n, replace=False))]


def shuffle(words: Words, rng: np.random.Generator) -> Words:
    """Return words in another order."""
    return [str(word) for word in rng.permutation(words)]


CHANGES: dict[str, Callable[[Words, np.random.Generator], Words]] = {
    "none": lambda words, _: words,
    "shuffled": shuffle,
    "shuffled, disguised": lambda words, rng: [word.translate(CYRILLIC) for word in shuffle(words, rng)],
    "five words added": lambda words, rng: pad(words, 5, rng),
    "five added, disguised": lambda words, rng: [word.translate(CYRILLIC) for word in pad(words, 5, rng)],
    "eight words added": lambda words, rng: pad(words, 8, rng),
    "five added, shuffled": lambda words, rng: shuffle(pad(words, 5, rng), rng),
    "cut to three fifths": lambda words, _: words[: max(3, round(len(words) * 0.6))],
}


def measure(seed: int, n_listings: int, kinds: Counter[tuple[str, bool]], found: Counter[str]) -> None:
    """Count matches of what arrives on a marketplace: by kind and truth, and by how a confirmed title was changed."""
    market, rng = simulate_marketplace(n_listings, seed=seed), np.random.default_rng(seed)
    is_fake = market.truth["is_counterfeit"].to_numpy(dtype=bool)
    frame = check_listings(market.listings.drop(columns="is_counterfeit"))
    listings = [replace(one, image_hash=None) for one in frame_to_listings(frame)]
    is_confirmed = is_fake & (rng.random(len(listings)) < 0.5)
    confirmed = [one for one, is_it in zip(listings, is_confirmed, strict=True) if is_it]
    engine = open_database("sqlite://")
    migrate(engine)
    some = [ScoredListing(one, 0.9, None, (), (), None, "simulated") for one in confirmed]
    enqueue(engine, some, joins_alike=False, now=NOON)
    for _ in confirmed:
        with writing(engine) as connection:
            taken = claim(connection, "ana", now=NOON)
            assert taken is not None
            decide(connection, DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica"), now=NOON)

    def find(arriving: list[Listing]) -> dict[str, Relisting]:
        policy, matches = load_policy(), dict[str, Relisting]()
        with reading(engine) as connection:
            for part in in_batches(arriving):
                matches |= find_relistings(connection, part, policy)
        return matches

    truth = {one.listing_id: bool(fake) for one, fake in zip(listings, is_fake, strict=True)}
    others = [one for one, is_it in zip(listings, is_confirmed, strict=True) if not is_it]
    kinds.update((match.kind.value, truth[key]) for key, match in find(others).items())
    for name, change in CHANGES.items():
        again = [
            replace(one, seller_id="another", title=" ".join(change(one.title.split(), rng)))
            for one in confirmed[:MOST_AGAIN]
        ]
        found[name] += sum(match.makes_case for match in find(again).values())
    found["all"] += min(len(confirmed), MOST_AGAIN)


def main() -> None:
    """Print precision by kind, and recall by change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=201)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--listings", type=int, default=20_000)
    options = parser.parse_args()
    kinds, found = Counter[tuple[str, bool]](), Counter[str]()
    for seed in range(options.first, options.first + options.seeds):
        measure(seed, options.listings, kinds, found)
    for kind in sorted({kind for kind, _ in kinds}):
        n = kinds[kind, True] + kinds[kind, False]
        print(f"{kind:8} {kinds[kind, True]:4} of {n:4} counterfeit ({kinds[kind, True] / n:.2f})")
    for name in CHANGES:
        print(f"{name:24} {found[name] / found['all']:.2f} found")


if __name__ == "__main__":
    main()
