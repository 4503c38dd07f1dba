"""Do statements of random decisions hold, are spoilt ones refused, and is nobody found in them?

    python -m experiments.enforcement.statements

A thousand restrictions of simulated listings, whose sellers wrote name, telephone, mail or street into them, are
stated. Each payload is judged by ipml's own check and by a second one, written from the rules file alone; spoilt in
every way there is, both must refuse it, ipml's naming the field. A scanner looks for the sellers in every payload
(none may be there) and in every letter (where it must find those who stand in a title, or it would be no scanner).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field

from experiments.enforcement.identities import Scanner
from experiments.enforcement.judge import judge
from experiments.enforcement.mutations import MUTATIONS
from experiments.enforcement.restrictions import draw_listings, draw_restrictions
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.statements.facts import Background, encode, state
from ipml.enforcement.statements.letter import write_letter, write_payload
from ipml.enforcement.statements.statements import draw_puid, find_faults


@dataclass
class Figures:
    """Counts."""

    stated: int = 0
    accepted: int = 0
    accepted_by_judge: int = 0
    told_of: int = 0
    in_letters: int = 0
    in_titles: int = 0
    in_listings: int = 0
    spoilt: int = 0
    refused: int = 0
    refused_by_judge: int = 0
    missed: Counter[str] = field(default_factory=Counter)


def measure(n_listings: int, seed: int = 0, n_spoilt: int = 20) -> Figures:
    """State restrictions of as many listings, and spoil the first few of the statements in every way."""
    rules = load_enforcement_policy().statements
    listings, people = draw_listings(n_listings, seed)
    scanner = Scanner(people.values())
    figures = Figures()
    for restriction, reasons, origin in draw_restrictions(listings, seed):
        listing = restriction.listing
        statement = state(restriction, rules, Background(origin, reasons), puid=draw_puid())
        payload = write_payload(statement)
        assert payload is not None
        letter = write_letter(statement, listing.title, listing.listing_id, rules)
        figures.stated += 1
        figures.accepted += not find_faults(payload)
        figures.accepted_by_judge += not judge(payload)
        figures.told_of += bool(scanner.find(json.dumps(payload, ensure_ascii=False) + encode(statement)))
        figures.in_letters += bool(scanner.find(letter.text))
        figures.in_titles += bool(scanner.find(listing.title))
        texts = (listing.title, listing.description, listing.brand, listing.category, listing.gtin)
        figures.in_listings += bool(scanner.find(" | ".join(filter(None, texts))))
        if figures.stated <= n_spoilt:
            _spoil(payload, figures)
    return figures


def _spoil(payload: dict[str, object], figures: Figures) -> None:
    for name, mutate in MUTATIONS.items():
        spoilt, wanted = mutate(payload)
        fields = {fault.field.partition(".")[0] for fault in find_faults(spoilt)}
        figures.spoilt += 1
        figures.refused += wanted in fields
        figures.refused_by_judge += bool(judge(spoilt))
        if wanted not in fields or not judge(spoilt):
            figures.missed[name] += 1


def main() -> None:
    """Print the figures beside what they must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listings", type=int, default=1_000)
    parser.add_argument("--spoilt", type=int, default=1_000)
    arguments = parser.parse_args()
    found = measure(arguments.listings, n_spoilt=arguments.spoilt)
    print(f"stated                                   {found.stated:,}")
    print(f"accepted by ipml's check                 {found.accepted:,} (all)")
    print(f"accepted by the second check             {found.accepted_by_judge:,} (all)")
    print(f"payloads and facts in which one is found {found.told_of:,} (0)")
    print(f"letters in which one is found            {found.in_letters:,} (titles: {found.in_titles:,})")
    print(f"listings in which one is found           {found.in_listings:,}")
    print(f"kinds of mutation                        {len(MUTATIONS)} (50 or more)")
    print(f"spoilt                                   {found.spoilt:,}")
    print(f"refused, naming the field                {found.refused:,} (all)")
    print(f"refused by the second check              {found.refused_by_judge:,} (all)")
    if found.missed:
        print(f"missed: {dict(found.missed)}")


if __name__ == "__main__":
    main()
