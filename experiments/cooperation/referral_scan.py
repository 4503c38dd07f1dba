"""Scan of referrals: personal data beyond the profile of the recipient.

    python -m experiments.cooperation.referral_scan --seeds 1 2 3

Sellers of a simulated marketplace have names, telephones, mail addresses, streets and payout accounts, and write some
of them into titles, descriptions, brands and other fields. Referrals are built for every profile as .zip files, with a
capture of a page where the profile allows one. Every file, also within archives and captures, is searched for every
planted value. The bar: nothing outside the profile; and what is allowed is found, or the search would be blind.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from experiments.cooperation.referral_market import NOON, STAFF, ReferralMarket, fill_market
from experiments.databases import own_database
from experiments.enforcement.identities import Identity, Scanner
from ipml.cooperation.networks.attributes import KINDS
from ipml.cooperation.policy import PackageField, RecipientProfile, ReferralRules, load_cooperation_policy
from ipml.cooperation.referrals.disclosure import HASHES
from ipml.cooperation.referrals.package import ReferralRequest, build_referral
from ipml.enforcement.evidence.package import PackageOutput
from ipml.storage.database import reading
from ipml.storage.tables import seller_keys

_WRITTEN = {"name", "phone", "email", "address"}  # what sellers write into their listings


@dataclass(frozen=True, slots=True)
class Hit:
    """A planted value in a file: of which kind, and whether the profile allows it."""

    recipient: str
    file: str
    kind: str
    is_allowed: bool


def main() -> None:
    """Build referrals of every profile, and print what is found in them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--networks", type=int, default=4)
    options = parser.parse_args()
    hits: list[Hit] = []
    n_files = 0
    for seed in options.seeds:
        with own_database() as (engine, folder):
            market = fill_market(engine, seed=seed, n_networks=options.networks)
            found, count = scan_market(market, load_cooperation_policy().referrals, folder)
            hits, n_files = hits + found, n_files + count
    outside = [hit for hit in hits if not hit.is_allowed]
    print(f"{n_files:,} files searched")
    for (recipient, kind), count in sorted(
        Counter((hit.recipient, hit.kind) for hit in hits if hit.is_allowed).items()
    ):
        print(f"allowed   {recipient}: {kind} in {count} files")
    for hit in outside:
        print(f"OUTSIDE   {hit.recipient}: {hit.kind} in {hit.file}")
    print(f"outside the profile: {len(outside)} (bar: 0)")
    sys.exit(bool(outside))


def scan_market(market: ReferralMarket, rules: ReferralRules, place: Path) -> tuple[list[Hit], int]:
    """Build a referral on each network for each recipient; return what is found, and how many files were searched."""
    hits, n_files = [], 0
    for number in market.numbers:
        people = {seller: one for seller, one in market.people.items() if seller in _members(market, number)}
        capture = write_capture(place / f"page-{number}.warc.gz", next(iter(people.values())))
        for recipient, profile in rules.profiles.items():
            captures = (capture,) if profile.allows(PackageField.EVIDENCE) else ()
            request = ReferralRequest(number, recipient, "Calder" if profile.needs_brand else None, captures=captures)
            out = place / f"{recipient}-{number}.zip"
            built = build_referral(
                market.engine, market.networks, request, rules, PackageOutput(out, STAFF, is_zipped=True), now=NOON
            )
            for file, content in read_all(built.path):
                n_files += 1
                text = content.decode("utf-8", "replace")
                for kind in find_kinds(market, people, text):
                    hits.append(Hit(recipient, f"{number}/{file}", kind, kind in allowed_kinds(profile)))
    return hits, n_files


def allowed_kinds(profile: RecipientProfile) -> set[str]:
    """Return what may be found under a profile."""
    allowed = {f"{kind} hash" for kind in KINDS if profile.allows(HASHES[kind])}
    allowed |= {"seller"} if profile.allows(PackageField.SELLER_ID) else set()
    return (
        allowed
        | (_WRITTEN if profile.allows(PackageField.LISTING_TEXT) else set())
        | ({"pseudonym"} if profile.allows(PackageField.EVIDENCE) else set())
    )


def find_kinds(market: ReferralMarket, people: dict[str, Identity], text: str) -> set[str]:
    """Return the kinds of planted values in a text: of people, of staff, of what is kept of sellers, and hashes."""
    found = Scanner(people.values()).find(text)
    found |= {"staff"} if STAFF in text else set()
    found |= {"device"} if any(person.device in text for person in people.values()) else set()
    with reading(market.engine) as connection:
        for row in connection.execute(select(seller_keys).where(seller_keys.c.seller_id.in_(people))):
            found |= {"pseudonym"} if row.pseudonym in text else set()
            found |= {"key"} if row.key in text else set()
    held = market.networks.holdings.held
    mine = held.filter(pc.is_in(held["seller_id"], value_set=pa.array(list(people))))
    for kind, value in zip(mine["kind"].to_pylist(), mine["value"].to_pylist(), strict=True):
        if value in text:
            found.add(f"{kind} hash")
    return found


def write_capture(path: Path, person: Identity) -> Path:
    """Write a capture of a page on which a seller says who they are."""
    page = f"<p>{person.name}, {person.phone}, {person.email}</p>".encode()
    content = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    head = (
        "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:6f1c9a52-0000-4000-8000-000000000001>\r\n"
        "WARC-Target-URI: http://shop.invalid/1\r\nWARC-Date: 2026-03-02T12:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    path.write_bytes(gzip.compress(head.encode() + content + b"\r\n\r\n"))
    return path


def read_all(path: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file of a package, opened where it is packed."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            yield name, gzip.decompress(content) if name.endswith(".gz") else content
            yield f"{name} (its name)", name.encode()


def _members(market: ReferralMarket, number: int) -> set[str]:
    return {str(market.networks.holdings.seller_ids[place]) for place in market.networks.members_of(number)}


if __name__ == "__main__":
    main()
