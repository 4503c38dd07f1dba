"""A clue in a minute: who, what, since when, how much, where from, what is not known, what to do next.

The same parts are written as plain text and as one HTML file that needs nothing else and runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from textwrap import fill

from ipml.cooperation.clues.rules import Profile
from ipml.cooperation.clues.told import Cell, Table, Told
from ipml.cooperation.network.kinds import AttributeKind
from ipml.cooperation.network.worth import Amount, Estimate
from ipml.money import Money

_MOST_MEMBERS, _MOST_LINKS, _MOST_WORDS, _WIDTH = 8, 4, 6, 110
_SHOWN = ("member", "seller_id", "role", "country", "found_counterfeit", "strikes", "penalties")
_SHARED = {
    AttributeKind.PAYOUT: "payout accounts",
    AttributeKind.PHONE: "phones",
    AttributeKind.DEVICE: "devices",
    AttributeKind.ADDRESS: "addresses",
    AttributeKind.SHIP_FROM: "places of dispatch",
    AttributeKind.IMAGE: "images",
    AttributeKind.PHRASE: "phrases",
    AttributeKind.TEMPLATE: "templates",
    AttributeKind.TIMING: "moments of listing",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a summary: a title, sentences, and perhaps a table."""

    title: str
    lines: tuple[str, ...]
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands over a summary."""

    reference: str
    built_at: datetime
    profile: Profile
    brands: tuple[str, ...]


def write_parts(told: Told, profile: Profile, unknown: Sequence[str], news: Sequence[str]) -> tuple[Part, ...]:
    """Return the parts of a summary, in the order in which an investigator asks.

    Parameters
    ----------
    unknown : sequence of str
        What is not known; see `ipml.cooperation.clues.unknown`.
    news : sequence of str
        What is new since an earlier clue to the same recipient; empty where there was none.
    """
    parts = [
        Part("New since the last clue", tuple(news)),
        Part("Who", tuple(_say_who(told)), _shorten(told.members)),
        Part("What", tuple(_say_what(told))),
        Part("Since when", tuple(_say_when(told))),
        Part("How much", tuple(_say_how_much(told))),
        Part("Where the goods may come from (a hypothesis)", tuple(_say_where_from(told))),
        Part("What joins them", tuple(_say_links(told))),
        Part("What is not known", tuple(unknown)),
        Part("What to do next", (*profile.next_steps, *_say_held(profile))),
    ]
    return tuple(part for part in parts if part.lines)


def write_text(heading: Heading, parts: Sequence[Part]) -> str:
    """Return a summary as plain text."""
    lines = [_title(heading).upper(), _under_title(heading), "", *(fill(line, _WIDTH) for line in _terms(heading))]
    for part in parts:
        lines += ["", part.title.upper(), *(_item(line) for line in part.lines)]
        lines += [f"  {row}" for row in _align(part.table)] if part.table else []
    return "\n".join(lines) + "\n"


def write_html(heading: Heading, parts: Sequence[Part], told: Told, picture: str) -> str:
    """Return a summary as one HTML file with the picture in it."""
    tiles = "".join(f"<div><b>{escape(figure)}</b><span>{escape(words)}</span></div>" for figure, words in _tiles(told))
    body = "".join(_html_part(part) for part in parts)
    terms = "".join(f"<p>{escape(line)}</p>" for line in _terms(heading))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(_title(heading))}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><header><h1>{escape(_title(heading))}</h1>"
        f"<p>{escape(_under_title(heading))}</p></header>\n<div class=tiles>{tiles}</div>\n"
        f"<main>{body}</main>\n<figure>{picture}</figure>\n<footer>{terms}</footer></body></html>\n"
    )


def say_estimate(estimate: Estimate[Amount]) -> str:
    """Return an estimate in words.

    Examples
    --------
    >>> say_estimate(Estimate(Money(1200.0, "EUR"), Money(900.0, "EUR"), Money(2_000.4, "EUR"), 3, 4))
    '1,200 EUR (900 EUR to 2,000 EUR, in nine of ten networks like it)'
    """
    if estimate.n_known == estimate.n_listings:
        return f"{estimate.total:,.0f} (known of every listing)"
    bounds = f"{estimate.low:,.0f} to {estimate.high:,.0f}"
    return f"{estimate.total:,.0f} ({bounds}, in nine of ten networks like it)"


def _title(heading: Heading) -> str:
    about = f" of {', '.join(heading.brands)}" if heading.brands else ""
    return f"Clue {heading.reference}: a network that sells counterfeits{about}"


def _under_title(heading: Heading) -> str:
    return f"For {heading.profile.title.lower()}, {heading.built_at:%Y-%m-%d}. Not for others."


def _terms(heading: Heading) -> list[str]:
    profile = heading.profile
    return [
        f"Purpose: {profile.purpose}",
        f"Legal basis: {profile.legal_basis}",
        f"Kept by the recipient: {profile.retention}",
    ]


def _tiles(told: Told) -> Iterator[tuple[str, str]]:
    yield f"{told.n_members:,}", "sellers joined by what they share"
    yield f"{told.n_confirmed:,}", f"listings found counterfeit, of {told.n_confirmed_members:,} sellers"
    if told.worth.is_known:
        yield (
            f"{_brief(told.worth.value.low)}\u2013{_brief(told.worth.value.high)}",
            f"{told.worth.value.total.currency} sold, estimated",
        )
    yield f"{told.first_seen:%b %Y}\u2013{told.last_seen:%b %Y}", "seen active"


def _brief(money: Money) -> str:
    """Return an amount to three digits, beside which its currency stands."""
    amount = money.amount
    for size, letter in ((1e6, "m"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{letter}"
    return f"{amount:.0f}"


def _say_who(told: Told) -> Iterator[str]:
    roles = {role: sum(node.role.value == role for node in told.nodes) for role in ("distributor", "seller")}
    sells = f"{told.n_confirmed_members:,} of {told.n_members:,} sellers had listings that were found counterfeit"
    pass_on = f"{roles['distributor']} pass pictures and texts on to others, {roles['seller']} only sell"
    yield f"{sells}; of those named here {pass_on}."
    if told.n_penalised:
        yield f"{told.n_penalised} of them were penalised by the marketplace."
    if told.countries:
        yield f"They sell from {_count(told.countries)}."


def _say_what(told: Told) -> Iterator[str]:
    found = f"{told.n_confirmed:,} listings found counterfeit by decisions that stand"
    yield f"{found}; {told.n_restricted:,} are restricted now."
    if told.brands:
        yield f"Brands named: {_count(told.brands)}."
    grounds = [(ground.replace("_", " "), n) for ground, n in told.grounds if ground]
    if grounds:
        yield f"Grounds: {_count(grounds)}."
    if told.notices:
        yield f"Notices on them that were upheld: {_count([(f'by {kind}s', n) for kind, n in told.notices])}."


def _say_when(told: Told) -> Iterator[str]:
    first, last = f"{told.first_seen:%Y-%m-%d}", f"{told.last_seen:%Y-%m-%d}"
    yield f"First account seen on {first}; something shared last seen on {last}. timeline.csv has each day."


def _say_how_much(told: Told) -> Iterator[str]:
    worth = told.worth
    if not worth.is_known:
        yield "Not known: see below."
        return
    yield f"Value: {say_estimate(worth.value)}, {worth.how}."
    yield f"Units: {say_estimate(worth.units)}." if worth.units.is_bounded else "Units: not known."
    if worth.confirmed_value:
        yield f"Known of the listings found counterfeit alone: {worth.confirmed_value}."
    for one in worth.foreign:
        if one.rate is not None:
            rate = f"{one.rate:g} {worth.value.total.currency} for 1 {one.currency}"
            yield f"Amounts of {one.n_listings:,} listings in {one.currency} were exchanged at {rate}."


def _say_where_from(told: Told) -> Iterator[str]:
    for source in told.sources:
        yield f"{source.name}, {source.belief:.0%} likely: {' '.join(source.reasons)}"
    if told.sources:
        left = max(0.0, 1 - sum(one.belief for one in told.sources))
        yield f"Somebody else, {left:.0%}: the source may have no account."


def _say_links(told: Told) -> Iterator[str]:
    words = [(_SHARED[AttributeKind(kind)], n) for kind, n in told.shared]
    yield f"{told.n_links:,} pairs share enough to be linked: {_count(words)}."
    for edge in [edge for edge in told.edges if edge.is_needed][:_MOST_LINKS]:
        yield f"{edge.first} and {edge.second}: {edge.most}"


def _say_held(profile: Profile) -> Iterator[str]:
    if profile.hold_days:
        until = f"for {profile.hold_days} days from the date above; then they may expire"
        yield f"The marketplace holds its records of the sellers found out {until}."


def _shorten(table: Table) -> Table:
    """Return the first rows of the members, those of most counterfeits first, with the columns that matter at once."""
    kept = [place for place, name in enumerate(table.header) if name in _SHOWN]
    at = table.header.index("found_counterfeit")
    rows = sorted(table.rows, key=lambda row: (row[table.header.index("role")] != "source", -float(row[at])))
    chosen = tuple(tuple(row[place] for place in kept) for row in rows[:_MOST_MEMBERS])
    return Table(tuple(table.header[place].replace("_", " ") for place in kept), chosen)


def _count(counted: Sequence[tuple[str, int]]) -> str:
    words = [f"{word} ({n:,})" for word, n in counted[:_MOST_WORDS]]
    return ", ".join(words) + (f" and {len(counted) - _MOST_WORDS} more" if len(counted) > _MOST_WORDS else "")


def _item(line: str) -> str:
    return fill(line, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False)


def _align(table: Table) -> list[str]:
    cells = [table.header, *(tuple(_show(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _html_part(part: Part) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in part.lines)
    return f"<section><h2>{escape(part.title)}</h2><ul>{lines}</ul>{_html_table(part.table)}</section>\n"


def _html_table(table: Table | None) -> str:
    if table is None or not table.rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(_show(cell))}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _show(cell: Cell) -> str:
    return str(cell)


_STYLE = (
    ":root{color-scheme:light}body{font:15px/1.45 system-ui,sans-serif;color:#1c1c1c;max-width:1180px;"
    "margin:1.5rem auto;padding:0 1.2rem}h1{font-size:1.45rem;margin:0}header p{margin:.2rem 0 0;color:#7a1f1f;"
    "font-weight:600}.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.tiles div{flex:1 1 11rem;"
    "background:#f3f4f6;border-radius:8px;padding:.6rem .9rem}.tiles b{display:block;font-size:1.45rem}"
    ".tiles span{color:#555;font-size:.85rem}main{columns:2;column-gap:2.2rem}section{break-inside:avoid;"
    "margin:0 0 .9rem}h2{font-size:1rem;margin:0 0 .25rem;border-bottom:1px solid #ddd;padding-bottom:.1rem}"
    "ul{margin:0;padding-left:1.1rem}li{margin:.15rem 0}table{border-collapse:collapse;width:100%;font-size:.82rem;"
    "margin-top:.4rem}th,td{text-align:left;padding:.15rem .5rem .15rem 0;border-bottom:1px solid #eee;"
    "overflow-wrap:anywhere}figure{margin:1rem 0;break-inside:avoid}figure svg{width:100%;height:auto;max-height:44rem}"
    "footer{color:#555;font-size:.85rem;border-top:1px solid #ddd}footer p{margin:.25rem 0}"
    "@media(max-width:760px){main{columns:1}}@media print{body{font-size:11px}}"
)
