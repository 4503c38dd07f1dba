"""The network as a picture: the likely source in the middle, who distributes around it, who sells on the outside.

It is drawn the same every time, from the names of the package alone, and holds no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ipml.cooperation.clues.told import Edge, Node, Told
from ipml.cooperation.network.roles import Role

SIZE = 760
_MOST_NODES, _MOST_LABELS, _MOST_FAINT = 400, 60, 400
_RINGS = {Role.SOURCE: 0.0, Role.DISTRIBUTOR: 0.48, Role.SELLER: 0.88}
_FILL = {Role.SOURCE: "#7a1f1f", Role.DISTRIBUTOR: "#c05a1c", Role.SELLER: "#34608a"}
_DASHED = 'stroke="#7a1f1f" stroke-width="2" stroke-dasharray="4 3"'
_WORDS = {Role.SOURCE: "called the source", Role.DISTRIBUTOR: "distributes", Role.SELLER: "sells"}


def draw_network(told: Told) -> str:
    """Return a picture of the network as SVG."""
    nodes = told.nodes[:_MOST_NODES]
    places = place_nodes(nodes, told.edges)
    lines = [
        *_draw_edges(told.edges, places),
        *_draw_candidate(told, places),
        *_draw_nodes(nodes, places),
        *_draw_key(told, len(nodes)),
    ]
    title = f"Network {told.number}: {told.n_members} sellers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE + 50}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="11">\n<title>{title}</title>\n'
        f'<rect width="{SIZE}" height="{SIZE + 50}" fill="#fff"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def place_nodes(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, tuple[float, float]]:
    """Return where each member stands: on the ring of its role, beside those it is joined to."""
    order = _order_along(nodes, edges)
    places: dict[str, tuple[float, float]] = {}
    for role, radius in _RINGS.items():
        ring = sorted((node for node in nodes if node.role is role), key=lambda node: (order[node.name], node.name))
        for place, node in enumerate(ring):
            # Half evenly apart, half where the walk passes, so that those who are joined are near across rings too.
            turn = math.pi * (place / len(ring) + order[node.name] / len(nodes)) - math.pi / 2
            reach = radius * SIZE / 2 if radius or len(ring) == 1 else 18.0
            # On a crowded ring every other one steps inward, so that names do not lie on each other.
            step = 0.86 if radius and len(ring) > 24 and place % 2 else 1.0
            places[node.name] = (
                SIZE / 2 + reach * step * math.cos(turn),
                SIZE / 2 + reach * step * math.sin(turn),
            )
    return places


def _order_along(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the order in which one meets the members on a walk along the links that join all, strongest first."""
    near: dict[str, list[str]] = {node.name: [] for node in nodes}
    for edge in edges:
        if edge.is_needed and edge.first in near and edge.second in near:
            near[edge.first].append(edge.second)
            near[edge.second].append(edge.first)
    met: dict[str, int] = {}
    for node in nodes:
        waiting = [node.name]
        while waiting:
            here = waiting.pop()
            if here not in met:
                met[here] = len(met)
                waiting.extend(reversed(near[here]))
    return met


def _draw_edges(edges: Sequence[Edge], places: dict[str, tuple[float, float]]) -> Iterator[str]:
    drawn = [edge for edge in edges if edge.first in places and edge.second in places]
    faint = [edge for edge in drawn if not edge.is_needed][:_MOST_FAINT]
    for edge in [*faint, *(edge for edge in drawn if edge.is_needed)]:
        (x1, y1), (x2, y2) = places[edge.first], places[edge.second]
        look = 'stroke="#444" stroke-width="1.4"' if edge.is_needed else 'stroke="#bbb" stroke-width="0.6"'
        said = f"{edge.first} and {edge.second}: {edge.words}"
        yield f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}><title>{said}</title></line>'


def _draw_candidate(told: Told, places: dict[str, tuple[float, float]]) -> Iterator[str]:
    """Draw a ring around who may be the source, likeliest first, if they are named."""
    if told.sources and told.sources[0].name in places:
        x, y = places[told.sources[0].name]
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="20" fill="none" {_DASHED}/>'


def _draw_nodes(nodes: Sequence[Node], places: dict[str, tuple[float, float]]) -> Iterator[str]:
    for place, node in enumerate(nodes):
        x, y = places[node.name]
        radius = 5 + min(math.sqrt(node.n_counterfeit) * 2.2, 12)
        fill = _FILL[node.role] if node.n_counterfeit else "#fff"
        said = f"{node.name}, {_WORDS[node.role]}, {node.n_counterfeit} listings found counterfeit"
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{_FILL[node.role]}" '
            f'stroke-width="1.5"><title>{said}</title></circle>'
        )
        if place < _MOST_LABELS:
            below = y + radius + 11
            yield (
                f'<text x="{x:.1f}" y="{below:.1f}" text-anchor="middle" fill="#222" stroke="#fff" stroke-width="3" '
                f'paint-order="stroke">{node.name}</text>'
            )


def _draw_key(told: Told, n_drawn: int) -> Iterator[str]:
    x = 12.0
    for role, words in _WORDS.items():
        yield f'<circle cx="{x + 6:.0f}" cy="{SIZE + 18}" r="6" fill="{_FILL[role]}"/>'
        yield f'<text x="{x + 18:.0f}" y="{SIZE + 22}">{words}</text>'
        x += 36 + 6.2 * len(words)
    rim = f'fill="#fff" stroke="{_FILL[Role.SELLER]}" stroke-width="1.5"'
    yield f'<circle cx="{x + 6:.0f}" cy="{SIZE + 18}" r="5.5" {rim}/>'
    yield f'<text x="{x + 18:.0f}" y="{SIZE + 22}">no listing found counterfeit</text>'
    yield f'<circle cx="{x + 200:.0f}" cy="{SIZE + 18}" r="8" fill="none" {_DASHED}/>'
    yield f'<text x="{x + 214:.0f}" y="{SIZE + 22}">likeliest source, a hypothesis</text>'
    left = told.n_members - n_drawn
    more = f" {left} members are counted, not drawn." if left else ""
    said = "The larger a circle, the more listings found counterfeit. Dark: the links that join all who are linked."
    yield f'<text x="12" y="{SIZE + 42}" fill="#555">{said}{more}</text>'
