"""Evidence for a rights holder: listing, decision and measures of a case, without personal data.

The full evidence names the seller, the reviewer and their notes, and goes to authorities only. A rights holder gets the
facts for a claim, and the SHA-256 of the full evidence, so that a court can ask the marketplace for exactly that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ipml.cooperation.brands.listings import BrandListing, get_listing
from ipml.enforcement.evidence.package import (
    PackageExport,
    PackageOutput,
    close_package,
    digest_payload,
    explain_checking,
    new_package,
    note_package,
    shown,
    write_lines,
)
from ipml.enforcement.evidence.pieces import Evidence, find_evidence, moment_text
from ipml.errors import NotFound
from ipml.kit.canonical_json import canonical_json
from ipml.review.cases import subject_of
from ipml.review.pictures.stored import StoredPicture, path_of, read_pictures
from ipml.storage.database import reading, writing

EXPORTER = "rights holder"
_README = """\
EVIDENCE ON LISTING {listing_id}, FOR THE RIGHTS HOLDER

An online marketplace found this listing counterfeit. This folder has the offer, the decision and the measures, as of
{date}. It names neither the seller nor the reviewer: a seller's identity is disclosed
on an order only (Article 8 of Directive 2004/48/EC).

  brand: {brand}
  title: {title}
  price: {price}
  decided: {decided_at}
  because: {ground}

The seller wrote the words quoted above. They prove nothing alone and may be meant to mislead the people or programs
that read them.

data/listing.json      the listing as it was seen, the decision, the measures, and the SHA-256 of the full evidence,
                       which the marketplace keeps and hands to courts and authorities
data/picture-….webp    copies of its pictures; listing.json has the SHA-256 of each as its host sent it
data/export.json       the row of the marketplace's audit trail that records the contents of this folder
data/anchor.json       the end of the trail at that time
data/audit.jsonl       empty: the rows of the trail name the seller
manifest-….txt         fingerprints (SHA-256, SHA-512) of the files in data/
verify.py              a program that checks all of this

{checking}"""


def export_for_brand(
    engine: Engine,
    brands: Collection[str],
    case_id: int,
    out: Path,
    *,
    by: str,
    key_file: Path | None = None,
    pictures: Path | None = None,
    now: datetime | None = None,
) -> Path:
    """Write the evidence of a case for a rights holder as one .zip file, whole or not at all.

    `out` must not exist; `key_file` holds the secret key that signs the anchor. Copies of pictures come from the folder
    IPML_PICTURES; the original files stay, since their metadata may reveal where and by whom they were taken.

    Raises
    ------
    NotFound
        There is no such case of these brands, or its verdict in force is not counterfeit.
    EvidenceChanged
        The evidence differs from what was stored.
    UnwritableFile
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        listing = get_listing(connection, brands, case_id)
        kept = find_evidence(connection, case_id) if listing.is_counterfeit else []
        stored = read_pictures(connection, [case_id]).get(case_id, [])
    if not kept:
        raise NotFound("evidence on listing", case_id, "There is some once a listing is found counterfeit.")
    output = PackageOutput(out, by, key_file, is_zipped=True)
    with new_package(output, f"evidence-listing-{case_id}") as folder:
        description = _describe(listing, kept) | {"pictures": _copy_pictures(pictures, stored, folder / "data")}
        (folder / "data/listing.json").write_text(canonical_json(description) + "\n", encoding="ascii")
        (folder / "data/audit.jsonl").write_text(write_lines([], {}), encoding="ascii")
        with writing(engine) as connection:
            export = PackageExport(subject_of(case_id), "exported evidence", digest_payload(folder), EXPORTER)
            noted = note_package(connection, export, output, now)
        readme = _README.format(
            listing_id=shown(listing.listing_id),
            date=f"{now.astimezone(UTC):%Y-%m-%d}",
            brand=shown(listing.brand),
            title=shown(listing.title),
            price="not known" if listing.price is None else f"{listing.price:g} {shown(listing.currency or '')}",
            decided_at=listing.decided_at and moment_text(listing.decided_at),
            ground=listing.ground,
            checking=explain_checking(noted.anchor),
        )
        close_package(folder, noted, readme, subject_of(case_id), now)
    return out


def _copy_pictures(source: Path | None, stored: Sequence[StoredPicture], data: Path) -> list[dict[str, Any]]:
    """Copy the stored pictures; return file and SHA-256 of the original of each."""
    copied = []
    for picture in stored if source else ():
        with suppress(OSError):
            if source and picture.digest and picture.fetched_at:
                name = f"picture-{picture.position + 1}.webp"
                (data / name).write_bytes(path_of(source, picture.digest, "view").read_bytes())
                copied.append({"file": name, "sha256": picture.digest, "fetched_at": moment_text(picture.fetched_at)})
    return copied


def _describe(listing: BrandListing, kept: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "schema": 1,
        "case": listing.case_id,
        "listing": {
            "listing_id": listing.listing_id,
            "title": listing.title,
            "description": listing.description,
            "brand": listing.brand,
            "category": listing.category,
            "price": listing.price,
            "currency": listing.currency,
            "listed_at": listing.listed_at and moment_text(listing.listed_at),
        },
        "decision": {
            "verdict": listing.verdict,
            "ground": listing.ground,
            "decided_at": listing.decided_at and moment_text(listing.decided_at),
        },
        "measures": [
            {
                "kind": measure.kind,
                "imposed_at": moment_text(measure.imposed_at),
                "lifted_at": measure.lifted_at and moment_text(measure.lifted_at),
            }
            for measure in listing.measures
        ],
        "evidence": [{"evidence": piece.evidence_id, "sha256": piece.digest} for piece in kept],
    }
