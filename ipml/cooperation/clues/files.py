"""The machine-readable files of a package: the network as GraphML and JSON, the value as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from xml.sax.saxutils import escape, quoteattr

from ipml.cooperation.clues.told import Told
from ipml.cooperation.network.worth import Amount, Estimate
from ipml.money import Money

_NODE_KEYS = {"role": "string", "found_counterfeit": "int"}
_EDGE_KEYS = {"bits": "double", "words": "string", "since": "string", "is_needed": "boolean"}


def write_graphml(told: Told) -> str:
    """Return members and links as GraphML, which programs that draw and count graphs read."""
    keys = [f'<key id="{name}" for="node" attr.name="{name}" attr.type="{kind}"/>' for name, kind in _NODE_KEYS.items()]
    keys += [
        f'<key id="{name}" for="edge" attr.name="{name}" attr.type="{kind}"/>' for name, kind in _EDGE_KEYS.items()
    ]
    nodes = [
        f"<node id={quoteattr(node.name)}>{_data(role=node.role.value, found_counterfeit=node.n_counterfeit)}</node>"
        for node in told.nodes
    ]
    edges = [
        f"<edge source={quoteattr(edge.first)} target={quoteattr(edge.second)}>"
        + _data(
            bits=f"{edge.bits:.2f}",
            words=edge.words,
            since=f"{edge.since:%Y-%m-%d}",
            is_needed=str(edge.is_needed).lower(),
        )
        + "</edge>"
        for edge in told.edges
    ]
    body = "\n".join(
        [*keys, f'<graph id="network-{told.number}" edgedefault="undirected">', *nodes, *edges, "</graph>"]
    )
    opening = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}\n{body}\n</graphml>\n'


def write_graph_json(told: Told) -> str:
    """Return the same as JSON: nodes and links, by the names of the package."""
    nodes = [{"id": one.name, "role": one.role.value, "found_counterfeit": one.n_counterfeit} for one in told.nodes]
    links = [
        {
            "source": one.first,
            "target": one.second,
            "bits": round(one.bits, 2),
            "words": one.words,
            "since": f"{one.since:%Y-%m-%d}",
            "is_needed": one.is_needed,
        }
        for one in told.edges
    ]
    return write_json({"network": told.number, "nodes": nodes, "links": links})


def write_value(told: Told) -> str:
    """Return the estimates of units and value, with their intervals and how they came about."""
    worth = told.worth
    return write_json(
        {
            "how": worth.how,
            "currency": worth.value.total.currency,
            "listings": worth.n_listings,
            "interval": "holds the truth in nine of ten networks, if they are like the simulated ones",
            "units": _estimate(worth.units),
            "value": _estimate(worth.value),
            "value_known_of_listings_found_counterfeit": _number(worth.confirmed_value),
            "other_currencies": [
                {
                    "currency": one.currency,
                    "listings": one.n_listings,
                    "rate": one.rate,
                    "counted": one.rate is not None,
                }
                for one in worth.foreign
            ],
        }
    )


def write_json(content: Mapping[str, object]) -> str:
    """Return JSON that people can read too, in ASCII."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _estimate(estimate: Estimate[Amount]) -> dict[str, float | None]:
    """Return an estimate; a bound that nothing is known of is null."""
    return {field.name: _number(getattr(estimate, field.name)) for field in fields(estimate)}


def _number(figure: Money | float | None) -> float | None:
    """Return a number, of an amount that beside its currency; what is unknown or unbounded is null."""
    number = figure.amount if isinstance(figure, Money) else figure
    return None if number is None or not isfinite(number) else round(number, 2)


def _data(**values: object) -> str:
    return "".join(f'<data key="{name}">{escape(str(value))}</data>' for name, value in values.items())
