"""What a clue is made of: what the database holds of a network at one moment, and what of it one recipient is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from ipml.cooperation.clues.disclosure import Disclosure
from ipml.cooperation.clues.dossier import CaseListing, Dossier, keep_brand
from ipml.cooperation.clues.fields import Field
from ipml.cooperation.clues.joining import join_network
from ipml.cooperation.clues.log import Clue, find_before
from ipml.cooperation.clues.naming import name_members
from ipml.cooperation.clues.outcomes import read_known
from ipml.cooperation.clues.ranking import Ranked, judge
from ipml.cooperation.clues.rules import ClueRules, Profile
from ipml.cooperation.clues.solvability import learn_solvability
from ipml.cooperation.clues.told import Told
from ipml.cooperation.clues.unknown import list_unknown
from ipml.cooperation.network.networks import Networks
from ipml.enforcement.evidence.package import read_rows, subjects_of_cases
from ipml.enforcement.evidence.pieces import Evidence, read_evidence
from ipml.enforcement.privacy.erasure import ErasedList
from ipml.errors import ClueTooSmall, NothingNew, UnusableSetting
from ipml.review.ranking.ranking import current_ranking
from ipml.storage.tables import erasures

_AT_ONCE = 500
_MOST_NEWS = 20


@dataclass(frozen=True, slots=True)
class ClueRequest:
    """Which clue is to be built.

    Attributes
    ----------
    number : int
        Of the network.
    recipient : str
        Name of a profile of the policy.
    brand : str or None
        Of the rights holder, where the profile asks for one.
    sales : DataFrame or None
        What listings sold, as for `ipml.cooperation.network.sales.estimate_sales`.
    captures : sequence of Path
        WARC files of pages, only where the profile allows evidence.
    is_again : bool
        Whether to build it though nothing is new since the one before.
    """

    number: int
    recipient: str
    brand: str | None = None
    sales: pd.DataFrame | None = None
    captures: Sequence[Path] = ()
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in the database at one moment of a network, for one recipient."""

    dossier: Dossier
    told: Told
    ranked: Ranked
    names: Mapping[str, str]
    evidence: Sequence[Evidence]
    rows: Sequence[dict[str, Any]]
    before: Clue | None
    news: tuple[str, ...]
    unknown: tuple[str, ...]


def check_request(request: ClueRequest, profile: Profile) -> None:
    """Raise UnusableSetting where a profile needs a brand and none is given, or the other way round; or no captures."""
    if profile.needs_brand != (request.brand is not None):
        found = "none" if request.brand is None else repr(request.brand)
        expected = "one for this recipient" if profile.needs_brand else "none: this recipient is told of all"
        raise UnusableSetting("brand", found, expected)
    if request.captures and not profile.allows(Field.EVIDENCE):
        raise UnusableSetting(
            "capture", f"{len(request.captures)}", "none: this recipient's profile allows no evidence"
        )


def read_contents(
    connection: Connection,
    networks: Networks,
    request: ClueRequest,
    rules: ClueRules,
    erased: ErasedList | None,
    now: datetime,
) -> Contents:
    """Return what is known of a network and what a recipient is told of it; `build_clue` says what is raised."""
    profile = rules.profile(request.recipient)
    rates = current_ranking(connection).policy.exchange_rates
    whole = join_network(connection, networks, request.number, request.sales)
    ranked = judge(whole, learn_solvability(rules.solvability, read_known(connection)), rules, now)
    dossier = whole if request.brand is None else keep_brand(whole, request.brand, rates)
    _check_size(dossier, profile)
    pseudonym_by_key = {one.key: one.pseudonym for one in dossier.members if one.pseudonym}
    found = find_before(connection, request.recipient, request.brand, pseudonym_by_key.values())
    before, named_before = found or (None, {})
    kept_names = {key: named_before[name] for key, name in pseudonym_by_key.items() if name in named_before}
    hidden = _find_erased(connection, dossier, erased)
    names = name_members(dossier, profile, hidden, kept_names)
    news = tuple(_list_news(dossier, names, kept_names, before)) if before else ()
    if before and not news and not request.is_again:
        raise NothingNew(request.number, before.reference, before.built_at)
    evidence = [] if not profile.allows(Field.EVIDENCE) else _read_evidence(connection, dossier, profile)
    told = Disclosure(dossier, profile, names).tell()
    return Contents(
        dossier=dossier,
        told=told,
        ranked=ranked,
        names=names,
        evidence=evidence,
        rows=_read_trail(connection, sorted({one.case_id for one in evidence})),
        before=before,
        news=news,
        unknown=tuple(list_unknown(told, profile, len(hidden), len(evidence))),
    )


def _check_size(dossier: Dossier, profile: Profile) -> None:
    n_members, n_confirmed = len(dossier.members), len(dossier.confirmed)
    if n_members < profile.least_members:
        raise ClueTooSmall(dossier.number, f"{n_members} members", f"at least {profile.least_members}")
    if n_confirmed < profile.least_confirmed:
        raise ClueTooSmall(
            dossier.number, f"{n_confirmed} listings found counterfeit", f"at least {profile.least_confirmed}"
        )


def _find_erased(connection: Connection, dossier: Dossier, erased: ErasedList | None) -> list[str]:
    """Return the members who were erased, though the folder of networks still holds them.

    Where some were erased and there is no list to tell whom, whoever the database does not know may be one of them.
    """
    unknown = [one.key for one in dossier.members if one.seller_id is None]
    if erased is None and connection.scalar(select(erasures.c.erasure_id).limit(1)) is not None:
        return unknown
    gone: set[str] = set()
    for start in range(0, len(unknown), _AT_ONCE):
        query = select(erasures.c.pseudonym).where(erasures.c.pseudonym.in_(unknown[start : start + _AT_ONCE]))
        gone.update(connection.scalars(query))
    return [key for key in unknown if key in gone or (erased is not None and erased.find(key, None) is not None)]


def _list_news(dossier: Dossier, names: Mapping[str, str], known: Mapping[str, str], before: Clue) -> Iterator[str]:
    since = f"since clue {before.reference} of {before.built_at:%Y-%m-%d}"
    if fresh := sorted(names[key] for key in names.keys() - known.keys()):
        who = ", ".join(fresh[:_MOST_NEWS]) + " …" * (len(fresh) > _MOST_NEWS)
        yield f"{len(fresh)} sellers named for the first time {since}: {who}."
    found = [one for one in dossier.confirmed if one.decided_at and one.decided_at > before.built_at]
    if found:
        of = f"{len(found)} listings of {len({one.member for one in found})} sellers"
        yield f"{of} found counterfeit {since}; decided_at in listings.csv says which."


def _read_evidence(connection: Connection, dossier: Dossier, profile: Profile) -> list[Evidence]:
    """Return the latest evidence that can be read, in the order of its numbers."""
    numbers = [one.evidence_id for one in sorted(dossier.confirmed, key=_decided, reverse=True) if one.evidence_id]
    found = [read_evidence(connection, number) for number in sorted(numbers[: profile.most_evidence])]
    return [one for one in found if one.text is not None]


def _decided(listing: CaseListing) -> tuple[datetime, int]:
    return listing.decided_at or listing.seen_at, listing.case_id


def _read_trail(connection: Connection, case_ids: Sequence[int]) -> list[dict[str, Any]]:
    parts = (case_ids[start : start + _AT_ONCE] for start in range(0, len(case_ids), _AT_ONCE))
    subjects = list(dict.fromkeys(each for part in parts for each in subjects_of_cases(connection, part)))
    rows = [
        row
        for start in range(0, len(subjects), _AT_ONCE)
        for row in read_rows(connection, subjects[start : start + _AT_ONCE])
    ]
    return sorted(rows, key=lambda row: int(row["sequence"]))
