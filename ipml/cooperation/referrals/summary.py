"""Summary: the first page of a referral, as plain text and as one self-contained HTML file without scripts.

README.txt explains the package to readers who have never heard of ipml. The picture places linked members side by side;
it depends on the names of the package alone, so it is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import fill

import numpy as np

from ipml.cooperation.networks.attributes import IN_WORDS_OF_MANY, AttributeKind
from ipml.cooperation.networks.layout import place_members
from ipml.cooperation.networks.links import Links
from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.networks.sales import Amount, SalesEstimate
from ipml.cooperation.policy import RecipientProfile
from ipml.cooperation.referrals.disclosure import DisclosedFacts, DisclosedTable, Edge, Node
from ipml.enforcement.evidence.package import explain_checking
from ipml.kit.hostile_text import escape
from ipml.kit.report_page import write_report_page
from ipml.kit.svg import write_element, write_label, write_svg, write_title
from ipml.money import Money
from ipml.storage.audit_trail.anchors import SignedAnchor

_MOST_MEMBERS, _MOST_LINKS, _MOST_WORDS, _WIDTH = 8, 4, 6, 110
_SHOWN = ("member", "seller_id", "role", "country", "found_counterfeit", "strikes", "penalties")


@dataclass(frozen=True, slots=True)
class SummaryPart:
    """A part of a summary: a title, sentences, and perhaps a table."""

    title: str
    lines: tuple[str, ...]
    table: DisclosedTable | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The first page of a referral; `brands` are those in the title, `news` is empty for a first referral."""

    reference: str
    built_at: datetime
    profile: RecipientProfile
    brands: tuple[str, ...]
    facts: DisclosedFacts
    unknown: tuple[str, ...]
    news: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The title."""
        about = f" of {', '.join(self.brands)}" if self.brands else ""
        return f"Referral {self.reference}: a network that sells counterfeits{about}"

    @property
    def subtitle(self) -> str:
        """The recipient and the date."""
        return f"For {self.profile.title.lower()}, {self.built_at:%Y-%m-%d}. Not for others."

    @property
    def terms(self) -> tuple[str, ...]:
        """Purpose, legal basis and retention."""
        purpose, basis = f"Purpose: {self.profile.purpose}", f"Legal basis: {self.profile.legal_basis}"
        return purpose, basis, f"Stored by the recipient: {self.profile.retention}"

    @property
    def parts(self) -> tuple[SummaryPart, ...]:
        """The parts, in the order of an investigator's questions."""
        facts = self.facts
        parts = [
            SummaryPart("New since the last referral", self.news),
            SummaryPart("Who", tuple(_say_who(facts)), _shorten(facts.members)),
            SummaryPart("What", tuple(_say_what(facts))),
            SummaryPart("Since when", (_say_when(facts),)),
            SummaryPart("How much", tuple(_say_how_much(facts))),
            SummaryPart("Where the goods may come from (a hypothesis)", tuple(_say_where_from(facts))),
            SummaryPart("What joins them", tuple(_say_links(facts))),
            SummaryPart("What is not known", self.unknown),
            SummaryPart("What to do next", (*self.profile.next_steps, *_say_held(self.profile))),
        ]
        return tuple(part for part in parts if part.lines)


def write_text(summary: Summary) -> str:
    """Return a summary as plain text."""
    lines = [summary.title.upper(), summary.subtitle, "", *(fill(line, _WIDTH) for line in summary.terms)]
    for part in summary.parts:
        lines += ["", part.title.upper()]
        for line in part.lines:
            lines.append(fill(line, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False))
        lines += [f"  {row}" for row in _align(part.table)] if part.table else []
    return "\n".join(lines) + "\n"


def write_html(summary: Summary, picture: str) -> str:
    """Return a summary as one HTML file with the picture in it."""
    tiles = "".join(
        f"<div><b>{escape(figure)}</b><span>{escape(words)}</span></div>" for figure, words in _tiles(summary.facts)
    )
    body = "".join(_html_part(part) for part in summary.parts)
    terms = "".join(f"<p>{escape(line)}</p>" for line in summary.terms)
    return write_report_page(
        summary.title,
        _STYLE,
        f"<header><h1>{escape(summary.title)}</h1><p>{escape(summary.subtitle)}</p></header>\n"
        f"<div class=tiles>{tiles}</div>\n<main>{body}</main>\n<figure>{picture}</figure>\n<footer>{terms}</footer>",
    )


def _say_estimate(estimate: SalesEstimate[Amount]) -> str:
    """Return an estimate in words.

    >>> _say_estimate(SalesEstimate(Money(1200.0, "EUR"), Money(900.0, "EUR"), Money(2_000.4, "EUR"), 3, 4))
    '1,200 EUR (900 EUR to 2,000 EUR, in nine of ten networks like it)'
    """
    if estimate.n_known == estimate.n_listings:
        return f"{estimate.total:,.0f} (known of every listing)"
    bounds = f"{estimate.low:,.0f} to {estimate.high:,.0f}"
    return f"{estimate.total:,.0f} ({bounds}, in nine of ten networks like it)"


def _tiles(facts: DisclosedFacts) -> Iterator[tuple[str, str]]:
    yield f"{facts.n_members:,}", "sellers joined by what they share"
    yield f"{facts.n_confirmed:,}", f"listings found counterfeit, of {facts.n_confirmed_members:,} sellers"
    if facts.sold_value.is_known:
        yield (
            f"{_brief(facts.sold_value.value.low)}\u2013{_brief(facts.sold_value.value.high)}",
            f"{facts.sold_value.value.total.currency} sold, estimated",
        )
    yield f"{facts.first_seen:%b %Y}\u2013{facts.last_seen:%b %Y}", "seen active"


def _brief(money: Money) -> str:
    amount = money.amount
    for size, letter in ((1e6, "m"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{letter}"
    return f"{amount:.0f}"


def _say_who(facts: DisclosedFacts) -> Iterator[str]:
    roles = {role: sum(node.role.value == role for node in facts.nodes) for role in ("distributor", "seller")}
    sells = f"{facts.n_confirmed_members:,} of {facts.n_members:,} sellers had listings that were found counterfeit"
    pass_on = f"{roles['distributor']} pass pictures and texts on to others, {roles['seller']} only sell"
    yield f"{sells}; of those named here {pass_on}."
    if facts.n_penalised:
        yield f"{facts.n_penalised} of them were penalised by the marketplace."
    if facts.countries:
        yield f"They sell from {_count(facts.countries)}."


def _say_what(facts: DisclosedFacts) -> Iterator[str]:
    counts = f"{facts.n_confirmed:,} listings found counterfeit by decisions in force"
    yield f"{counts}; {facts.n_restricted:,} are restricted now."
    if facts.brands:
        yield f"Brands named: {_count(facts.brands)}."
    grounds = [(ground.replace("_", " "), n) for ground, n in facts.grounds if ground]
    if grounds:
        yield f"Grounds: {_count(grounds)}."
    if facts.notices:
        yield f"Notices on them that were upheld: {_count([(f'by {kind}s', n) for kind, n in facts.notices])}."


def _say_when(facts: DisclosedFacts) -> str:
    first, last = f"{facts.first_seen:%Y-%m-%d}", f"{facts.last_seen:%Y-%m-%d}"
    return f"First account seen on {first}; something shared last seen on {last}. timeline.csv has each day."


def _say_how_much(facts: DisclosedFacts) -> Iterator[str]:
    sold_value = facts.sold_value
    if not sold_value.is_known:
        yield "Not known: see below."
        return
    yield f"Value: {_say_estimate(sold_value.value)}, {sold_value.how}."
    yield f"Units: {_say_estimate(sold_value.units)}." if sold_value.units.is_bounded else "Units: not known."
    if sold_value.confirmed_value:
        yield f"Known of the listings found counterfeit alone: {sold_value.confirmed_value}."
    for amount in sold_value.foreign:
        if amount.rate is not None:
            rate = f"{amount.rate:g} {sold_value.value.total.currency} for 1 {amount.currency}"
            yield f"Amounts of {amount.n_listings:,} listings in {amount.currency} were exchanged at {rate}."


def _say_where_from(facts: DisclosedFacts) -> Iterator[str]:
    for source in facts.sources:
        yield f"{source.name}, {source.belief:.0%} likely: {' '.join(source.reasons)}"
    if facts.sources:
        left = max(0.0, 1 - sum(source.belief for source in facts.sources))
        yield f"Somebody else, {left:.0%}: the source may have no account."


def _say_links(facts: DisclosedFacts) -> Iterator[str]:
    words = [(IN_WORDS_OF_MANY[AttributeKind(kind)], n) for kind, n in facts.shared]
    yield f"{facts.n_links:,} pairs share enough to be linked: {_count(words)}."
    for edge in [edge for edge in facts.edges if edge.is_needed][:_MOST_LINKS]:
        yield f"{edge.first} and {edge.second}: {edge.most}"


def _say_held(profile: RecipientProfile) -> Iterator[str]:
    if profile.hold_days:
        until = f"for {profile.hold_days} days from the date above; then they may expire"
        yield f"The marketplace holds its records of the sellers found out {until}."


def _shorten(table: DisclosedTable) -> DisclosedTable:
    """Return the most important members and columns: the source first, then by counterfeits."""
    kept = [place for place, name in enumerate(table.header) if name in _SHOWN]
    at = table.header.index("found_counterfeit")
    rows = sorted(table.rows, key=lambda row: (row[table.header.index("role")] != "source", -float(row[at])))
    chosen = tuple(tuple(row[place] for place in kept) for row in rows[:_MOST_MEMBERS])
    return DisclosedTable(tuple(table.header[place].replace("_", " ") for place in kept), chosen)


def _count(counted: Sequence[tuple[str, int]]) -> str:
    words = [f"{word} ({n:,})" for word, n in counted[:_MOST_WORDS]]
    return ", ".join(words) + (f" and {len(counted) - _MOST_WORDS} more" if len(counted) > _MOST_WORDS else "")


def _align(table: DisclosedTable) -> list[str]:
    cells = [table.header, *(tuple(str(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _html_part(part: SummaryPart) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in part.lines)
    table = ""
    if part.table and part.table.rows:
        head = "".join(f"<th>{escape(name)}</th>" for name in part.table.header)
        rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in part.table.rows)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<section><h2>{escape(part.title)}</h2><ul>{lines}</ul>{table}</section>\n"


_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


SIZE = 760
_MOST_NODES, _MOST_LABELS, _MOST_FAINT = 400, 60, 400
_LETTER, _LINE = 6.6, 13.0  # as wide and as high as letters are drawn
_FILL = {NetworkRole.SOURCE: "#7a1f1f", NetworkRole.DISTRIBUTOR: "#c05a1c", NetworkRole.SELLER: "#34608a"}
_RING = {"fill": "none", "stroke": "#7a1f1f", "stroke_width": 2, "stroke_dasharray": "4 3"}
_WORDS = {NetworkRole.SOURCE: "called the source", NetworkRole.DISTRIBUTOR: "distributes", NetworkRole.SELLER: "sells"}


@dataclass(frozen=True, slots=True)
class _Circle:
    node: Node
    x: float
    y: float
    radius: float
    is_named: bool


def draw_network(facts: DisclosedFacts) -> str:
    """Return a picture of the network as SVG, in which no two members or names overlap."""
    circles, width, height = _place_circles(facts)
    parts = [
        write_title(title := f"Network {facts.number}: {facts.n_members} sellers"),
        write_element("rect", width=width, height=height + 50, fill="#fff"),
        *_draw_edges(facts.edges, circles),
        *_draw_circles(facts, circles),
        *_draw_key(facts, len(circles), height),
    ]
    style = {"xmlns": "http://www.w3.org/2000/svg", "font_family": "system-ui, sans-serif", "font_size": 11}
    return write_svg(width, height + 50, (f"\n{part}" for part in parts), title, **style) + "\n"


def _place_circles(facts: DisclosedFacts) -> tuple[dict[str, _Circle], int, int]:
    nodes = facts.nodes[:_MOST_NODES]
    at = {node.name: place for place, node in enumerate(nodes)}
    ends = [
        (at[edge.first], at[edge.second], edge.bits) for edge in facts.edges if {edge.first, edge.second} <= at.keys()
    ]
    first, second, bits = np.array(ends).reshape(-1, 3).T
    radius = np.array([5 + min(math.sqrt(node.n_counterfeit) * 2.2, 12) for node in nodes])
    is_named = np.arange(len(nodes)) < _MOST_LABELS
    # The name is below its member, as wide as its letters.
    letters = np.array([len(node.name) for node in nodes]) * _LETTER * is_named
    room = np.stack([np.maximum(radius + 2, letters / 2), radius + 2 + is_named * _LINE / 2], axis=1) / SIZE
    links = Links(first.astype(np.int64), second.astype(np.int64), bits)
    places = place_members(list(at), links, room, np.arange(len(nodes)))
    size = SIZE / places.scale
    x, y = places.x * size, places.y * size - is_named * _LINE / 2
    shown = zip(nodes, x.tolist(), y.tolist(), radius.tolist(), is_named.tolist(), strict=True)
    return (
        {circle.node.name: circle for circle in (_Circle(*each) for each in shown)},
        round(size),
        round(places.height * size),
    )


def _draw_edges(edges: Sequence[Edge], circles: Mapping[str, _Circle]) -> Iterator[str]:
    drawn = [edge for edge in edges if edge.first in circles and edge.second in circles]
    faint = [edge for edge in drawn if not edge.is_needed][:_MOST_FAINT]
    for edge in [*faint, *(edge for edge in drawn if edge.is_needed)]:
        one, other = circles[edge.first], circles[edge.second]
        stroke, width = ("#444", 1.4) if edge.is_needed else ("#bbb", 0.6)
        says = write_title(f"{edge.first} and {edge.second}: {edge.words}")
        yield write_element("line", says, x1=one.x, y1=one.y, x2=other.x, y2=other.y, stroke=stroke, stroke_width=width)


def _draw_circles(facts: DisclosedFacts, circles: Mapping[str, _Circle]) -> Iterator[str]:
    if facts.sources and (likeliest := circles.get(facts.sources[0].name)):
        yield write_element("circle", cx=likeliest.x, cy=likeliest.y, r=20, **_RING)
    for name, circle in circles.items():
        role, count = circle.node.role, circle.node.n_counterfeit
        says = write_title(f"{name}, {_WORDS[role]}, {count} listings found counterfeit")
        style = {"fill": _FILL[role] if count else "#fff", "stroke": _FILL[role], "stroke_width": 1.5}
        yield write_element("circle", says, cx=circle.x, cy=circle.y, r=circle.radius, **style)
        if circle.is_named:
            rim = {"stroke": "#fff", "stroke_width": 3, "paint_order": "stroke"}
            yield write_label(circle.x, circle.y + circle.radius + 11, name, text_anchor="middle", fill="#222", **rim)


def _draw_key(facts: DisclosedFacts, n_drawn: int, top: int) -> Iterator[str]:
    x, y = 12.0, top + 18
    for role, words in _WORDS.items():
        yield write_element("circle", cx=x + 6, cy=y, r=6, fill=_FILL[role])
        yield write_label(x + 18, y + 4, words)
        x += 36 + 6.2 * len(words)
    rim = {"fill": "#fff", "stroke": _FILL[NetworkRole.SELLER], "stroke_width": 1.5}
    yield write_element("circle", cx=x + 6, cy=y, r=5.5, **rim)
    yield write_label(x + 18, y + 4, "no listing found counterfeit")
    yield write_element("circle", cx=x + 200, cy=y, r=8, **_RING)
    yield write_label(x + 214, y + 4, "likeliest source, a hypothesis")
    left = facts.n_members - n_drawn
    more = f" {left} members are counted, not drawn." if left else ""
    caption = "The larger a circle, the more listings found counterfeit. Dark: the links that join all who are linked."
    yield write_label(12, top + 42, caption + more, fill="#555")


_ABOUT = Path(__file__).with_name("README.txt").read_text(encoding="utf-8")
_EVIDENCE = """\
data/evidence-….json   the listing as it was seen, its score and why, what was known of the seller, and the decision
data/audit.jsonl       what was done to these cases, each line a row of the marketplace's audit trail
"""
_CAPTURES = "data/capture-….warc…   pages as they were captured (WARC, for web archives)\n"


def write_referral_readme(
    reference: str, profile: RecipientProfile, anchor: SignedAnchor, *, has_evidence: bool, has_captures: bool
) -> str:
    """Return the text of README.txt."""
    return _ABOUT.format(
        reference=reference,
        title=profile.title.lower(),
        date=anchor.at[:10],
        evidence=_EVIDENCE * has_evidence + _CAPTURES * has_captures,
        signed=", signed by the marketplace" if anchor.signature else "",
        checking=explain_checking(anchor),
    )
