"""What people and programs read of a referral: whole, harmless, and the same every time."""

import json
import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from experiments.cooperation.referral_market import NOON
from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.referrals.disclosure import Disclosure, Node, list_unknown, name_members
from ipml.cooperation.referrals.dossier import join_network
from ipml.cooperation.referrals.package import write_graph_json, write_graphml, write_value
from ipml.cooperation.referrals.summary import Summary, draw_network, write_html, write_text
from ipml.money import Money
from ipml.spreadsheet import write_csv
from ipml.storage.database import reading

HOSTILE = '<script>alert(1)</script>"\x1b[2J=HYPERLINK(0)'
_GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def dossier(filled):
    """Return the dossier of a network, of which every brand and title is hostile."""
    with reading(filled.engine) as connection:
        found = join_network(connection, filled.networks, filled.numbers[0])
    filled.engine.dispose()
    listings = tuple(replace(one, brand=HOSTILE, title=HOSTILE) for one in found.listings)
    return replace(found, listings=listings)


@pytest.fixture(scope="module")
def profile(rules):
    """Return the profile that allows most."""
    return rules.profiles["police-criminal"]


@pytest.fixture(scope="module")
def told(dossier, profile):
    """Return what the police is told."""
    return Disclosure(dossier, profile, name_members(dossier, profile, (), {})).tell()


@pytest.fixture(scope="module")
def summary(profile, told):
    """Return what the police reads first."""
    brands = tuple(brand for brand, _ in told.brands)
    return Summary("C-1", NOON, profile, brands, told, tuple(list_unknown(told, profile, 0, 0)), ("One is new.",))


def test_hostile_text_runs_nowhere(told, summary):
    """No tag of a seller, no escape sequence, no formula, no script, nothing that is loaded from elsewhere."""
    html = write_html(summary, draw_network(told))
    assert "&lt;script&gt;" in html
    assert not re.search(r"<script|<img|<link|<iframe|\son\w+=|href=|src=|url\(", html)
    assert "\x1b" not in html + write_text(summary) + write_csv(told.listings.header, told.listings.rows)
    assert not re.search(r"(^|[,;\"])[=+@]", write_csv(told.listings.header, told.listings.rows), re.MULTILINE)


def test_the_summary_asks_and_answers_what_an_investigator_does(summary):
    """Who, what, since when, how much, where from (a hypothesis), what is not known, what to do next: on two pages."""
    text = write_text(summary)
    order = ["NEW SINCE", "WHO\n", "WHAT\n", "SINCE WHEN", "HOW MUCH", "(A HYPOTHESIS)", "NOT KNOWN", "TO DO NEXT"]
    places = [text.index(title) for title in order]
    assert places == sorted(places)
    assert len(text.split()) < 900


def test_the_graph_is_the_same_in_every_form(told):
    """Picture, GraphML and JSON hold the same members and links."""
    svg, graphml = ElementTree.fromstring(draw_network(told)), ElementTree.fromstring(write_graphml(told))
    said = json.loads(write_graph_json(told))
    names = {node.name for node in told.nodes}
    assert {one["id"] for one in said["nodes"]} == names == {one.get("id") for one in graphml.iter(f"{_GRAPHML}node")}
    assert len(said["links"]) == len(told.edges) == len(list(graphml.iter(f"{_GRAPHML}edge")))
    assert len(list(svg.iter(f"{_SVG}line"))) == len(told.edges)


def test_the_picture_is_drawn_the_same_every_time_with_nothing_on_each_other(told, subtests):
    """Neither members nor names, nor is any of them outside the frame."""
    for n_members in [0, 1, 2, 60, 200]:
        with subtests.test(n_members=n_members):
            names = [f"S-{number:03}" for number in range(1, n_members + 1)]
            nodes = tuple(Node(name, NetworkRole.SELLER, 7 * (place % 3)) for place, name in enumerate(names))
            edges = tuple(
                replace(told.edges[0], first=name, second=names[place // 2])
                for place, name in enumerate(names)
                if place
            )
            shown = replace(told, nodes=nodes, edges=edges, sources=())
            assert draw_network(shown) == draw_network(shown)
            svg = ElementTree.fromstring(draw_network(shown))
            _, _, width, height = map(float, svg.attrib["viewBox"].split())
            circles = [one.attrib for one in svg.iter(f"{_SVG}circle") if one.find(f"{_SVG}title") is not None]
            boxes = [_box(float(one["cx"]), float(one["cy"]) + float(one["r"]), float(one["r"])) for one in circles]
            texts = [one for one in svg.iter(f"{_SVG}text") if one.text in names]
            boxes += [_box(float(one.attrib["x"]), float(one.attrib["y"]), 3 * len(one.text), 9) for one in texts]
            assert (len(circles), len(texts)) == (n_members, min(n_members, 60))
            assert all(
                left >= 0 and right <= width and top >= 0 and foot <= height - 50 for left, right, top, foot in boxes
            )
            for (left, right, top, foot), (other_left, other_right, other_top, other_foot) in combinations(boxes, 2):
                assert right <= other_left or other_right <= left or foot <= other_top or other_foot <= top


def _box(x: float, foot: float, half: float, height: float | None = None) -> tuple[float, float, float, float]:
    return x - half, x + half, foot - (2 * half if height is None else height), foot


def test_the_value_says_what_it_rests_on(told):
    """An interval around the estimate, and how it came about; what is not known is null."""
    said = json.loads(write_value(told))
    assert said["value"]["low"] <= said["value"]["total"] <= said["value"]["high"]
    assert said["how"]
    sold_value = replace(told.sold_value, value=replace(told.sold_value.value, high=Money(float("inf"), "EUR")))
    assert json.loads(write_value(replace(told, sold_value=sold_value)))["value"]["high"] is None


def test_where_sales_are_not_known_it_is_said(told, profile):
    """In the unknown, instead of a number."""
    sold_value = replace(told.sold_value, value=replace(told.sold_value.value, high=Money(float("inf"), "EUR")))
    lines = list(list_unknown(replace(told, sold_value=sold_value), profile, 2, 0))
    assert any("How much was sold" in line for line in lines)
    assert any("2 members who were erased" in line for line in lines)
