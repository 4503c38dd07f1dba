"""Referral package: a folder that an investigator reads in a minute and anyone can verify without ipml.

It holds the state of a network at one moment, as far as the recipient's profile allows: files for people, files for
programs (GraphML, JSON), and evidence with its audit trail. It extends an evidence package, so one program verifies
both. Its disclosures are recorded together with it in the audit trail, before the folder is closed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pandas as pd
from sqlalchemy import Connection, Engine, select

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.sales import Amount, SalesEstimate
from ipml.cooperation.policy import PackageField, RecipientProfile, ReferralRules
from ipml.cooperation.referrals.disclosure import DisclosedFacts, Disclosure, Edge, Node, list_unknown, name_members
from ipml.cooperation.referrals.dossier import Dossier, Member, find_sellers, join_network, keep_brand
from ipml.cooperation.referrals.handover import (
    Referral,
    add_referral,
    find_before,
    hold_for_referral,
    learn_solvability,
    list_disclosures,
    make_reference,
    read_known,
)
from ipml.cooperation.referrals.ranking import Ranked, judge
from ipml.cooperation.referrals.reported_findings import find_reversed
from ipml.cooperation.referrals.summary import (
    Summary,
    draw_network,
    write_html,
    write_referral_readme,
    write_text,
)
from ipml.enforcement.evidence.archives import copy_capture
from ipml.enforcement.evidence.package import (
    PackageExport,
    PackageOutput,
    close_package,
    digest_payload,
    new_package,
    note_package,
    read_rows,
    subjects_of_cases,
    write_lines,
)
from ipml.enforcement.evidence.pieces import Evidence, is_person, read_evidence
from ipml.enforcement.privacy.erased_list import ErasedList
from ipml.errors import Conflict, SellerErased, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.kit.spreadsheet import write_csv
from ipml.money import Money
from ipml.review.ranking.queue_order import current_ranking
from ipml.storage.audit_trail.anchors import SignedAnchor
from ipml.storage.audit_trail.row_digests import name_rows
from ipml.storage.database import Lock, in_batches, reading, serialise, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import erasures

_NODE_KEYS = {"role": "string", "found_counterfeit": "int"}
_EDGE_KEYS = {"bits": "double", "words": "string", "since": "string", "is_needed": "boolean"}


def write_graphml(facts: DisclosedFacts) -> str:
    """Return members and links as GraphML."""
    keys = [
        f'<key id="{name}" for="{what}" attr.name="{name}" attr.type="{kind}"/>'
        for what, kinds in (("node", _NODE_KEYS), ("edge", _EDGE_KEYS))
        for name, kind in kinds.items()
    ]
    nodes = [f"<node id={quoteattr(node.name)}>{_data(_describe_node(node))}</node>" for node in facts.nodes]
    edges = [
        f"<edge source={quoteattr(edge.first)} target={quoteattr(edge.second)}>{_data(_describe_link(edge))}</edge>"
        for edge in facts.edges
    ]
    graph = f'<graph id="network-{facts.number}" edgedefault="undirected">'
    body = "\n".join([*keys, graph, *nodes, *edges, "</graph>"])
    opening = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}\n{body}\n</graphml>\n'


def write_graph_json(facts: DisclosedFacts) -> str:
    """Return members and links as JSON, by their names in the package."""
    nodes = [{"id": node.name} | _describe_node(node) for node in facts.nodes]
    links = [{"source": edge.first, "target": edge.second} | _describe_link(edge) for edge in facts.edges]
    return write_json({"network": facts.number, "nodes": nodes, "links": links})


def _describe_node(node: Node) -> dict[str, object]:
    return {"role": node.role.value, "found_counterfeit": node.n_counterfeit}


def _describe_link(edge: Edge) -> dict[str, object]:
    since = f"{edge.since:%Y-%m-%d}"
    return {"bits": round(edge.bits, 2), "words": edge.words, "since": since, "is_needed": edge.is_needed}


def _data(values: Mapping[str, object]) -> str:
    words = {
        name: f"{value:.2f}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
    }
    return "".join(f'<data key="{name}">{escape(str(word))}</data>' for name, word in words.items())


def write_value(facts: DisclosedFacts) -> str:
    """Return the estimates of units and value, with intervals and method, as JSON."""
    sold_value = facts.sold_value
    return write_json(
        {
            "how": sold_value.how,
            "currency": sold_value.value.total.currency,
            "listings": sold_value.n_listings,
            "interval": "holds the truth in nine of ten networks, if they are like the simulated ones",
            "units": _estimate(sold_value.units),
            "value": _estimate(sold_value.value),
            "value_known_of_listings_found_counterfeit": _number(sold_value.confirmed_value),
            "other_currencies": [
                {
                    "currency": amount.currency,
                    "listings": amount.n_listings,
                    "rate": amount.rate,
                    "counted": amount.rate is not None,
                }
                for amount in sold_value.foreign
            ],
        }
    )


def write_json(content: Mapping[str, object]) -> str:
    """Return indented JSON in ASCII."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _estimate(estimate: SalesEstimate[Amount]) -> dict[str, float | None]:
    return {field.name: _number(getattr(estimate, field.name)) for field in fields(estimate)}


def _number(figure: Money | float | None) -> float | None:
    """Return a number, or an amount without its currency; null if it is unknown or unbounded."""
    number = figure.amount if isinstance(figure, Money) else figure
    return None if number is None or not isfinite(number) else round(number, 2)


_MOST_NEWS, _MOST_BRANDS = 20, 3


@dataclass(frozen=True, slots=True)
class ReferralRequest:
    """A request to build a referral on a network, by the name of the recipient's profile.

    `brand` is given if the profile requires one, `captures` (WARC files) only if it allows evidence; `sales` is as for
    `ipml.cooperation.networks.sales.estimate_sales`. `is_again` builds it even if nothing is new.
    """

    number: int
    recipient: str
    brand: str | None = None
    sales: pd.DataFrame | None = None
    captures: Sequence[Path] = ()
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class ReferralContents:
    """Contents of a referral on one network for one recipient, read at one moment."""

    dossier: Dossier
    ranked: Ranked
    names: Mapping[str, str]
    evidence: Sequence[Evidence]
    rows: Sequence[dict[str, Any]]
    before: Referral | None
    summary: Summary


def _check_request(request: ReferralRequest, profile: RecipientProfile) -> None:
    """Check that brand and captures agree with the profile; raises UnusableSetting."""
    if profile.needs_brand != (request.brand is not None):
        finding = "none" if request.brand is None else repr(request.brand)
        expected = "one for this recipient" if profile.needs_brand else "none: this recipient receives all brands"
        raise UnusableSetting("brand", finding, expected)
    if request.captures and not profile.allows(PackageField.EVIDENCE):
        raise UnusableSetting(
            "capture", f"{len(request.captures)}", "none: this recipient's profile allows no evidence"
        )


def read_contents(
    connection: Connection,
    networks: Networks,
    request: ReferralRequest,
    rules: ReferralRules,
    erased: ErasedList | None,
    now: datetime,
) -> ReferralContents:
    """Read a network and select what its recipient may see; `build_referral` lists the errors."""
    profile = rules.profile(request.recipient)
    rates = current_ranking(connection).policy.exchange_rates
    whole = join_network(connection, networks, request.number, request.sales)
    ranked = judge(whole, learn_solvability(rules.solvability, read_known(connection)), rules, now)
    dossier = whole if request.brand is None else keep_brand(whole, request.brand, rates)
    pseudonym_by_key = {member.key: member.pseudonym for member in dossier.members if member.pseudonym}
    found = find_before(connection, request.recipient, request.brand, pseudonym_by_key.values())
    before, named_before = found or (None, {})
    taken_back = find_reversed(connection, before.referral_id) if before else []
    if not taken_back:  # reversals are reported to the recipient, however small the network has become
        _check_size(dossier, profile)
    kept_names = {key: named_before[name] for key, name in pseudonym_by_key.items() if name in named_before}
    hidden = _find_erased(connection, dossier, erased)
    names = name_members(dossier, profile, hidden, kept_names)
    gone = Counter(named_before.get(member.pseudonym, "?") for member in taken_back)
    news = tuple(_list_news(dossier, names, kept_names, before, gone)) if before else ()
    if before and not news and not request.is_again:
        raise Conflict(
            f"network {request.number}",
            f"nothing is new since referral {before.reference} of {before.built_at:%Y-%m-%d} to the same recipient",
            "Build it with --again if it was lost.",
        )
    evidence = [] if not profile.allows(PackageField.EVIDENCE) else _read_evidence(connection, dossier, profile)
    facts = Disclosure(dossier, profile, names).tell()
    unknown = tuple(list_unknown(facts, profile, len(hidden), len(evidence)))
    brands = (request.brand,) if request.brand else tuple(brand for brand, _ in facts.brands[:_MOST_BRANDS])
    return ReferralContents(
        dossier=dossier,
        ranked=ranked,
        names=names,
        evidence=evidence,
        rows=_read_trail(connection, sorted({piece.case_id for piece in evidence})),
        before=before,
        summary=Summary(make_reference(), now, profile, brands, facts, unknown, news),
    )


def _check_size(dossier: Dossier, profile: RecipientProfile) -> None:
    for found, least, what in (
        (len(dossier.members), profile.least_members, "members"),
        (len(dossier.confirmed), profile.least_confirmed, "listings found counterfeit"),
    ):
        if found < least:
            expected = f"expected at least {least}, as the profile of this recipient asks for"
            raise Conflict(f"network {dossier.number}", f"found {found} {what}; {expected}")


def _find_erased(connection: Connection, dossier: Dossier, erased: ErasedList | None) -> list[str]:
    """Return members of the folder who were erased, or who may be, as the erasure list is missing."""
    unknown = [member.key for member in dossier.members if member.seller_id is None]
    if erased is None and connection.scalar(select(erasures.c.erasure_id).limit(1)) is not None:
        return unknown
    gone: set[str] = set()
    for batch in in_batches(unknown):
        gone.update(connection.scalars(select(erasures.c.pseudonym).where(erasures.c.pseudonym.in_(batch))))
    return [key for key in unknown if key in gone or (erased is not None and erased.find(key, None) is not None)]


def _list_news(
    dossier: Dossier, names: Mapping[str, str], known: Mapping[str, str], before: Referral, gone: Counter[str]
) -> Iterator[str]:
    """Yield the news since the previous referral; `gone` counts reversed findings by seller name."""
    since = f"since referral {before.reference} of {before.built_at:%Y-%m-%d}"
    if fresh := sorted(names[key] for key in names.keys() - known.keys()):
        who = ", ".join(fresh[:_MOST_NEWS]) + " …" * (len(fresh) > _MOST_NEWS)
        yield f"{len(fresh)} sellers named for the first time {since}: {who}."
    decided = [listing for listing in dossier.confirmed if listing.decided_at and listing.decided_at > before.built_at]
    if decided:
        of = f"{len(decided)} listings of {len({listing.member for listing in decided})} sellers"
        yield f"{of} found counterfeit {since}; decided_at in listings.csv says which."
    if gone:
        whose = ", ".join(f"{name}: {count:,}" for name, count in sorted(gone.items())[:_MOST_NEWS])
        more = " …" * (len(gone) > _MOST_NEWS)
        yield f"{gone.total():,} listings that it reported are no longer found counterfeit {since} ({whose}{more})."


def _read_evidence(connection: Connection, dossier: Dossier, profile: RecipientProfile) -> list[Evidence]:
    order = sorted(
        dossier.confirmed, key=lambda listing: (listing.decided_at or listing.seen_at, listing.case_id), reverse=True
    )
    numbers = [listing.evidence_id for listing in order if listing.evidence_id]
    pieces = [read_evidence(connection, number) for number in sorted(numbers[: profile.most_evidence])]
    return [piece for piece in pieces if piece.text is not None]


def _read_trail(connection: Connection, case_ids: Sequence[int]) -> list[dict[str, Any]]:
    subjects = [each for batch in in_batches(case_ids) for each in subjects_of_cases(connection, batch)]
    rows = (row for batch in in_batches(list(dict.fromkeys(subjects))) for row in read_rows(connection, batch))
    return sorted(rows, key=lambda row: int(row["sequence"]))


def write_files(contents: ReferralContents) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file of the payload."""
    facts, picture = contents.summary.facts, draw_network(contents.summary.facts)
    yield "summary.txt", write_text(contents.summary)
    yield "summary.html", write_html(contents.summary, picture)
    yield "unknown.txt", "".join(f"- {line}\n" for line in contents.summary.unknown)
    yield "members.csv", write_csv(facts.members.header, facts.members.rows)
    yield "links.csv", write_csv(facts.links.header, facts.links.rows)
    yield "timeline.csv", write_csv(facts.timeline.header, facts.timeline.rows)
    yield "listings.csv", write_csv(facts.listings.header, facts.listings.rows)
    yield "value.json", write_value(facts)
    yield "graph.svg", picture
    yield "graph.graphml", write_graphml(facts)
    yield "graph.json", write_graph_json(facts)
    yield "referral.json", write_json(_say_terms(contents))
    for piece in contents.evidence:
        yield f"evidence-{piece.evidence_id:06}.json", str(piece.text)
    if contents.evidence:
        actors = sorted({row["actor"] for row in contents.rows if is_person(row["actor"])})
        names = {actor: f"person-{number:02}" for number, actor in enumerate(actors, 1)}
        yield "audit.jsonl", write_lines(contents.rows, names)


def _say_terms(contents: ReferralContents) -> dict[str, object]:
    summary, facts, profile = contents.summary, contents.summary.facts, contents.summary.profile
    return {
        "reference": summary.reference,
        "follows": contents.before.reference if contents.before else None,
        "built_at": write_moment(summary.built_at),
        "recipient": profile.title,
        "brands": list(summary.brands),
        "purpose": profile.purpose,
        "legal_basis": profile.legal_basis,
        "retention": profile.retention,
        "fields": sorted(field.value for field in profile.fields),
        "withheld": sorted(field.value for field in PackageField if not profile.allows(field)),
        "network": facts.number,
        "members": facts.n_members,
        "members_named": facts.n_members - facts.n_unnamed,
        "listings_found_counterfeit": facts.n_confirmed,
        "evidence": len(contents.evidence),
    }


_EXPORTER = "person"


@dataclass(frozen=True, slots=True)
class Built:
    """A package that was written.

    The anchor is to be sent by another channel than the package. `news` is empty for a first referral; `n_held` counts
    sellers whose records are under a legal hold for it.
    """

    path: Path
    referral: Referral
    anchor: SignedAnchor
    n_evidence: int
    n_named: int
    n_held: int
    news: tuple[str, ...]


def build_referral(
    engine: Engine,
    networks: Networks,
    request: ReferralRequest,
    rules: ReferralRules,
    output: PackageOutput,
    *,
    erased: ErasedList | None = None,
    now: datetime | None = None,
) -> Built:
    """Write a referral for a recipient, whole or not at all, and record the sellers that it names.

    Sellers in `erased` are never named, though the folder of networks may still hold them. Without that list, once
    anyone was erased, sellers who are not in the database are not named either.

    Raises
    ------
    NotFound, Conflict
        No such network, it is smaller than the profile requires, or the recipient has all of it already.
    UnusableSetting
        No such profile, or brand or captures do not agree with it.
    SellerErased
        A named seller was erased meanwhile; build the referral again.
    """
    now, profile = now or datetime.now(UTC), rules.profile(request.recipient)
    _check_request(request, profile)
    with reading(engine) as connection:
        contents = read_contents(connection, networks, request, rules, erased, now)
    with new_package(output, f"referral-{contents.summary.reference}") as folder:
        for name, text in write_files(contents):
            (folder / "data" / name).write_bytes(text.encode())
        for number, capture in enumerate(request.captures, 1):
            copy_capture(capture, folder / "data", f"capture-{number}")
        with writing(engine) as connection:
            content = digest_payload(folder)
            referral, n_held = note_referral(connection, contents, request, content, output.by)
            disclosures = name_rows("disclosure", list_disclosures(connection, referral.referral_id))
            export = PackageExport(
                *(referral.subject, "disclosed referral", content, _EXPORTER), contents.rows, disclosures
            )
            noted = note_package(connection, export, output, now)
        shown = {"has_evidence": bool(contents.evidence), "has_captures": bool(request.captures)}
        readme = write_referral_readme(contents.summary.reference, profile, noted.anchor, **shown)
        close_package(folder, noted, readme, referral.subject, now)
    return Built(
        output.path, referral, noted.anchor, len(contents.evidence), len(contents.names), n_held, contents.summary.news
    )


def note_referral(
    connection: Connection, contents: ReferralContents, request: ReferralRequest, content: str, by: str
) -> tuple[Referral, int]:
    """Record the referral and the sellers it names; hold records of those found out, if the profile requires it.

    Raises SellerErased if a named seller was erased since the contents were read.
    """
    dossier, confirmed = contents.dossier, contents.dossier.confirmed_members
    reference, profile, now = contents.summary.reference, contents.summary.profile, contents.summary.built_at
    _refuse_erased(connection, [member for member in dossier.members if member.key in contents.names])
    sellers = {member.key: member.seller_id or member.key for member in dossier.members if member.key in contents.names}
    pseudonyms = {key: pseudonym_of(connection, seller, now=now) for key, seller in sellers.items()}
    sold_value = dossier.sold_value
    least = sold_value.least
    fields = {
        "reference": reference,
        "network": dossier.number,
        "members_digest": digest("\n".join(sorted(pseudonyms.values()))),
        "recipient": request.recipient,
        "brand": request.brand,
        "purpose": profile.purpose,
        "built_by": by,
        "built_at": now,
        "content_digest": content,
        "follows": contents.before.referral_id if contents.before else None,
        "n_members": len(dossier.members),
        "n_confirmed": len(dossier.confirmed),
        "value_low": least.amount if least is not None else None,
        "value": sold_value.value.total.amount if sold_value.is_known else None,
        "value_high": sold_value.value.high.amount if sold_value.is_known else None,
        "currency": sold_value.value.total.currency,
        "solvability": contents.ranked.solvability,
        "effort": contents.ranked.effort,
        "signs": json.dumps(contents.ranked.signs, sort_keys=True),
        "tells_sellers": profile.tells_sellers,
    }
    named = {pseudonyms[key]: (contents.names[key], key in confirmed) for key in sellers}
    referral = add_referral(connection, fields, named)
    if not profile.hold_days:
        return referral, 0
    held = sorted(sellers[key] for key in confirmed & sellers.keys())
    until = now + timedelta(days=profile.hold_days)
    return referral, hold_for_referral(connection, reference, held, until=until, by=by, now=now)


def _refuse_erased(connection: Connection, members: Sequence[Member]) -> None:
    serialise(connection, Lock.ENQUEUE)  # blocks erasures until the end of the transaction
    sellers = find_sellers(connection, [member.key for member in members])
    for member in members:
        seller_id, pseudonym = sellers.get(member.key, (None, None))
        if (member.seller_id and seller_id is None) or (member.pseudonym and pseudonym != member.pseudonym):
            raise SellerErased(member.pseudonym or member.key)
