"""The networks behind sellers: a list, one as a picture to explore, and what speaks for each member and each link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from ipml.cooperation.network.catalogue import ORDERS, RECENT_DAYS
from ipml.cooperation.network.evidence import Tie, moment_of
from ipml.cooperation.network.kinds import IN_WORDS, IN_WORDS_OF_MANY
from ipml.cooperation.network.members import MemberRecord, read_members
from ipml.cooperation.network.roles import Hypothesis, Role
from ipml.cooperation.network.viewing import NetworkView
from ipml.errors import MemberNotFound
from ipml.review.quality.shown import find_hidden
from ipml.web.auth import get_engine, get_user
from ipml.web.network_picture import MANY_LINES, MOST_LINES, draw_network, name_role
from ipml.web.network_shapes import draw_small
from ipml.web.network_shelf import NetworkShelf
from ipml.web.render import render

MOST_NETWORKS = 24
MOST_MEMBERS = 1000
MOST_TIES = 10
_HYPOTHESES = 3
_ORDER = f"^({'|'.join(ORDERS)})$"

NetworkNumber = Annotated[int, Path(ge=1, le=2**31)]
Place = Annotated[int, Path(ge=1, le=2**31)]


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member in the table: `place` counts from 1, as in addresses."""

    place: int
    seller_id: str
    role: Role
    since: datetime
    links: int
    record: MemberRecord | None
    newcomer: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A member to whom one is linked, and what they share."""

    place: int
    tie: Tie


def show_networks(
    request: Request,
    order: Annotated[str, Query(pattern=_ORDER)] = "members",
    seller: Annotated[str, Query(max_length=200, pattern="^[^\x00]*$")] = "",
) -> Response:
    """Show the largest networks, or those that grow fastest; or the one a seller is in."""
    shelf = _shelf(request)
    listed, count = shelf.list(order, MOST_NETWORKS) if shelf.is_there else ([], 0)
    views = [shelf.view(one.number) for one in listed]
    names = [name for view in views for name in view.seller_ids]
    records = _read_records(request, names) if names else {}
    context = {
        "is_there": shelf.is_there,
        "listed": [
            (one, draw_small(view.layout), _sum_up([records.get(name) for name in view.seller_ids]))
            for one, view in zip(listed, views, strict=True)
        ],
        "count": count,
        "order": order,
        "orders": list(ORDERS),
        "recent_days": RECENT_DAYS,
        "seller": seller.strip(),
        "found": shelf.find_number(seller.strip()) if seller.strip() else None,
        "in_words": IN_WORDS,
        "plurals": IN_WORDS_OF_MANY,
    }
    return render(request, "networks.html", context)


def show_network(request: Request, number: NetworkNumber) -> Response:
    """Show a network: the picture, who may be the source, and every member."""
    view = _shelf(request).view(number)
    records = _read_records(request, view.seller_ids)
    rows = _make_rows(view, records)
    context = {
        "view": view,
        "picture": draw_network(view, records),
        "most_lines": MOST_LINES,
        "many_lines": MANY_LINES,
        "rows": sorted(rows, key=_rank)[:MOST_MEMBERS],
        "n_members": len(rows),
        "facts": _sum_up([row.record for row in rows]),
        "unlinked": sum(row.links == 0 for row in rows),
        "newcomers": sum(bool(row.newcomer) for row in rows),
        **_tell_source(view),
    }
    return render(request, "network.html", context)


def show_member(request: Request, number: NetworkNumber, place: Place) -> Response:
    """Show a member of a network: what is known of them, and to whom they are linked by what."""
    view = _shelf(request).view(number)
    _check_place(view, place)
    neighbours = view.neighbours_of(place - 1)
    context = {
        "view": view,
        "row": _make_rows(view, _read_records(request, [view.seller_ids[place - 1]]))[place - 1],
        "neighbours": [Neighbour(one + 1, view.tie(place - 1, one)) for one in neighbours[:MOST_TIES]],
        "n_links": len(neighbours),
        "hypothesis": next((one for one in view.roles.hypotheses if one.seller_id == view.seller_ids[place - 1]), None),
        "name_role": name_role,
    }
    return render(request, "network_member.html", context)


def show_tie(request: Request, number: NetworkNumber, one: Place, other: Place) -> Response:
    """Show what two members of a network share, and since when."""
    view = _shelf(request).view(number)
    _check_place(view, one)
    _check_place(view, other)
    tie = view.tie(one - 1, other - 1)
    is_link = other - 1 in view.neighbours_of(one - 1)
    context = {
        "view": view,
        "one": one,
        "other": other,
        "tie": tie,
        "is_link": is_link,
        "needed": view.needed,
        "in_words": IN_WORDS,
    }
    return render(request, "network_tie.html", context)


def find_network(request: Request, *names: str | None) -> int | None:
    """Return the number of the network that a seller is in, by whichever name networks know them."""
    found = (_shelf(request).find_number(name) for name in names if name)
    return next((number for number in found if number), None)


def _shelf(request: Request) -> NetworkShelf:
    shelf: NetworkShelf = request.app.state.networks
    return shelf


def _check_place(view: NetworkView, place: int) -> None:
    if place > len(view.roles.members):
        raise MemberNotFound(view.number, place, len(view.roles.members))


def _read_records(request: Request, names: list[str]) -> dict[str, MemberRecord]:
    engine = get_engine(request)
    return read_members(engine, names, hidden=find_hidden(engine, get_user(request).name))


def _make_rows(view: NetworkView, records: dict[str, MemberRecord]) -> list[MemberRow]:
    joined = view.networks.holdings.joined[view.roles.members].tolist()
    return [
        MemberRow(
            place + 1,
            name,
            view.roles.role[place],
            moment_of(joined[place]),
            int(view.degree[place]),
            records.get(name),
            str(view.newcomers.get(name, "")),
        )
        for place, name in enumerate(view.seller_ids)
    ]


def _rank(row: MemberRow) -> tuple[int, int, int]:
    confirmed = row.record.confirmed if row.record else 0
    return list(Role).index(row.role), -confirmed, -row.links


def _sum_up(records: list[MemberRecord | None]) -> dict[str, Any]:
    known = [record for record in records if record]
    brands: dict[str, int] = {}
    for record in known:
        for brand in record.brands:
            brands[brand] = brands.get(brand, 0) + 1
    return {
        "known": len(known),
        "confirmed": sum(record.confirmed for record in known),
        "guilty": sum(record.confirmed > 0 for record in known),
        "open": sum(record.open for record in known),
        "strikes": sum(record.strikes for record in known),
        "brands": sorted(brands, key=lambda brand: (-brands[brand], brand)),
    }


def _tell_source(view: NetworkView) -> dict[str, Any]:
    """Return the likeliest sources with the place of each who is a member, and how likely it is none of these."""
    places = {name: place for place, name in enumerate(view.seller_ids, start=1)}
    best: list[tuple[Hypothesis, int | None]] = [
        (one, places.get(one.seller_id)) for one in view.roles.hypotheses[:_HYPOTHESES]
    ]
    return {"hypotheses": best, "elsewhere": 1 - sum(one.belief for one, _ in best), "name_role": name_role}
