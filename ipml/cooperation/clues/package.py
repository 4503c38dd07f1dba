"""A clue as a package: a folder that an investigator reads in a minute, and anybody can check without ipml.

It is a package of evidence with more in it, so the same program checks both. Of whom it tells is noted in the
transaction that notes the package in the audit trail: before the folder is closed, so that nothing goes out unnoted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from ipml.cooperation.clues.contents import ClueRequest, Contents, check_request, read_contents
from ipml.cooperation.clues.holding import hold_for_clue
from ipml.cooperation.clues.log import Clue, add_clue, list_disclosures, make_reference
from ipml.cooperation.clues.payload import write_files
from ipml.cooperation.clues.readme import write_clue_readme
from ipml.cooperation.clues.rules import ClueRules, Profile
from ipml.cooperation.clues.summary import Heading
from ipml.cooperation.network.networks import Networks
from ipml.enforcement.evidence.archives import copy_capture
from ipml.enforcement.evidence.package import close_package, digest_payload, new_place, note_package, put_in_place
from ipml.enforcement.evidence.pieces import sha256
from ipml.enforcement.privacy.erasure import ErasedList
from ipml.errors import SellerErased
from ipml.storage.anchors import SignedAnchor
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.row_digests import name_rows

_EXPORTER = "person"
_MOST_BRANDS = 3


@dataclass(frozen=True, slots=True)
class Built:
    """A package that was written.

    Attributes
    ----------
    anchor : SignedAnchor
        Tell it to the recipient by another way than the package.
    news : tuple of str
        What is new since the clue before; empty where there was none.
    n_held : int
        Sellers whose records are held for it.
    """

    path: Path
    clue: Clue
    anchor: SignedAnchor
    n_evidence: int
    n_named: int
    n_held: int
    news: tuple[str, ...]


def build_clue(
    engine: Engine,
    networks: Networks,
    request: ClueRequest,
    rules: ClueRules,
    out: Path,
    *,
    by: str,
    key_file: Path | None = None,
    erased: ErasedList | None = None,
    is_zipped: bool = False,
    now: datetime | None = None,
) -> Built:
    """Write a clue on a network for a recipient, whole or not at all, and note of whom it tells.

    Parameters
    ----------
    out : Path
        Must not be there yet.
    by : str
        Name of the user who builds it, noted in the audit trail.
    key_file : Path, optional
        Secret key that signs the anchor.
    erased : ErasedList, optional
        Who was erased: nobody of them is named, though the folder of networks may still hold them. Without it, once
        somebody was erased, nobody is named whom the database does not know.
    now : datetime, default=the clock

    Raises
    ------
    NetworkNotFound, ClueTooSmall, NothingNew
        There is no such network, it is not what the profile asks for, or the recipient knows all of it.
    UnusableSetting
        There is no such profile, or it needs a brand, or allows no captures.
    SellerErased
        One of those named was erased while it was built; build it again.
    UnwritableFile, UnusableCapture
    """
    now, profile = now or datetime.now(UTC), rules.profile(request.recipient)
    check_request(request, profile)
    reference = make_reference()
    with reading(engine) as connection:
        contents = read_contents(connection, networks, request, rules, erased, now)
    with new_place(out) as place:
        folder = place / f"clue-{reference}"
        (folder / "data").mkdir(mode=0o700, parents=True)  # it tells of sellers, who are not everybody's business
        folder.chmod(0o700)
        brands = (request.brand,) if request.brand else tuple(brand for brand, _ in contents.told.brands[:_MOST_BRANDS])
        heading = Heading(reference, now, profile, brands)
        for name, text in write_files(contents, heading, profile):
            (folder / "data" / name).write_bytes(text.encode())
        for number, capture in enumerate(request.captures, 1):
            copy_capture(capture, folder / "data", f"capture-{number}")
        with writing(engine) as connection:
            content = digest_payload(folder)
            clue, n_held = _note_clue(connection, contents, request, profile, reference, content, by, now)
            noted = note_package(
                connection,
                clue.subject,
                "disclosed clue",
                content,
                contents.rows,
                by=by,
                exporter=_EXPORTER,
                key_file=key_file,
                now=now,
                speaks_of=name_rows("disclosure", list_disclosures(connection, clue.clue_id)),
            )
        shown = {"has_evidence": bool(contents.evidence), "has_captures": bool(request.captures)}
        readme = write_clue_readme(reference, profile, noted.anchor, **shown)
        close_package(folder, noted, readme, clue.subject, now)
        put_in_place(folder, out, is_zipped=is_zipped)
    return Built(out, clue, noted.anchor, len(contents.evidence), len(contents.names), n_held, contents.news)


def _note_clue(
    connection: Connection,
    contents: Contents,
    request: ClueRequest,
    profile: Profile,
    reference: str,
    content: str,
    by: str,
    now: datetime,
) -> tuple[Clue, int]:
    """Note the clue and of whom it tells; hold what is kept of those found out, where the profile says so."""
    dossier, confirmed = contents.dossier, contents.dossier.confirmed_members
    sellers = {one.key: one.seller_id or one.key for one in dossier.members if one.key in contents.names}
    pseudonyms = {key: pseudonym_of(connection, seller, now=now) for key, seller in sellers.items()}
    for one in dossier.members:
        if one.pseudonym and pseudonyms.get(one.key, one.pseudonym) != one.pseudonym:
            raise SellerErased(one.pseudonym)  # meanwhile: what was just written tells of somebody who is forgotten
    worth = dossier.worth
    least = worth.least if worth.is_known or worth.confirmed_value is not None else None
    fields = {
        "reference": reference,
        "network": dossier.number,
        "members_digest": sha256("\n".join(sorted(pseudonyms.values())).encode()),
        "recipient": request.recipient,
        "brand": request.brand,
        "purpose": profile.purpose,
        "built_by": by,
        "built_at": now,
        "content_digest": content,
        "follows": contents.before.clue_id if contents.before else None,
        "n_members": len(dossier.members),
        "n_confirmed": len(dossier.confirmed),
        "value_low": least.amount if least is not None else None,
        "value": worth.value.total.amount if worth.is_known else None,
        "value_high": worth.value.high.amount if worth.is_known else None,
        "currency": worth.value.total.currency,
        "solvability": contents.ranked.solvability,
        "effort": contents.ranked.effort,
        "signs": json.dumps(contents.ranked.signs, sort_keys=True),
        "tells_sellers": profile.tells_sellers,
    }
    named = {pseudonyms[key]: (contents.names[key], key in confirmed) for key in sellers}
    clue = add_clue(connection, fields, named)
    if not profile.hold_days:
        return clue, 0
    held = [sellers[key] for key in confirmed & sellers.keys()]
    until = now + timedelta(days=profile.hold_days)
    return clue, hold_for_clue(connection, reference, held, until=until, by=by, now=now)
