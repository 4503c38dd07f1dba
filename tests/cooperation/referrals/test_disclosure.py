"""What a referral tells: nothing that its profile does not list, whole, harmless, and the same every time."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.transactions import ask

from experiments.cooperation.referral_market import NOON
from experiments.cooperation.referral_scan import find_kinds, scan_market
from ipml.cooperation.networks.attributes import KINDS
from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.policy import PackageField, RecipientProfile
from ipml.cooperation.referrals.disclosure import HASHES, Disclosure, Node, is_contact, list_unknown, name_members
from ipml.cooperation.referrals.dossier import join_network
from ipml.cooperation.referrals.package import write_graph_json, write_graphml, write_value
from ipml.cooperation.referrals.summary import Summary, draw_network, write_html, write_text
from ipml.kit.spreadsheet import write_csv
from ipml.money import Money


@pytest.fixture(scope="module")
def dossier(filled):
    """Return the dossier of a network."""
    found = ask(filled.engine, join_network, filled.networks, filled.numbers[0])
    filled.engine.dispose()
    return found


def test_no_personal_value_is_outside_the_profile(market, rules, tmp_path: Path):
    """In no file of any referral, within archives and captures too; what is allowed is found, so the search sees."""
    hits, n_files = scan_market(replace(market, numbers=market.numbers[-1:]), rules, tmp_path)
    assert [hit for hit in hits if not hit.is_allowed] == []
    assert n_files > 50
    assert {"name", "seller", "template hash"} <= {hit.kind for hit in hits if hit.recipient == "police-criminal"}


def test_the_search_would_see_what_slips_through(market, rules, tmp_path: Path):
    """Were texts allowed to customs, the people in them would be found there."""
    loose = rules.profiles["customs"].model_copy(update={"fields": frozenset(PackageField) - {PackageField.EVIDENCE}})
    dossier = ask(market.engine, join_network, market.networks, market.numbers[0])
    told = Disclosure(dossier, loose, name_members(dossier, loose, (), {})).tell()
    people = {one.key: market.people[one.key] for one in dossier.members}
    assert {"seller", "name", "payout hash"} <= find_kinds(market, people, str(told))


def test_without_a_field_nothing_of_it_is_told(dossier, rules, subtests):
    """Whatever else is allowed: each id, text, country, brand and hash that only this field tells is gone."""
    for field in sorted(PackageField):
        with subtests.test(field=field):
            profile = rules.profiles["police-criminal"].model_copy(
                update={"fields": frozenset({*PackageField} - {field, PackageField.EVIDENCE})}
            )
            told = str(Disclosure(dossier, profile, name_members(dossier, profile, (), {})).tell())
            values = {
                PackageField.SELLER_ID: [one.key for one in dossier.members],
                PackageField.LISTING_ID: [one.listing_id for one in dossier.listings],
                PackageField.LISTING_TEXT: [one.title for one in dossier.listings],
            }
            shared = [thing for tie in dossier.ties for thing in tie.shared if HASHES[thing.kind] is field]
            assert not [value for value in values.get(field, [one.value for one in shared]) if value in told]


def test_evidence_needs_the_fields_that_stand_in_it(rules):
    """It cannot be cut; a profile without them is refused. Every kind of shared thing has a field."""
    with pytest.raises(ValidationError, match="evidence holds more"):
        RecipientProfile(**(rules.profiles["police-criminal"].model_dump() | {"fields": [PackageField.EVIDENCE]}))
    assert set(HASHES) == set(KINDS)


def test_a_brand_is_named_if_enough_sellers_name_it(dossier, rules):
    """What one seller alone writes in its place is theirs, and may be who they are."""
    profile = rules.profiles["customs"]
    names = name_members(dossier, profile, (), {})
    alone = replace(dossier.confirmed[0], brand="Ann Thrumbold")
    told = Disclosure(replace(dossier, listings=(*dossier.listings, alone)), profile, names).tell()
    assert {"Calder"} <= {brand for brand, _ in told.brands} <= {"Calder", "Nordvik", "Ossian"}


def test_who_was_not_found_out_is_counted_and_not_named(dossier, rules):
    """Where the profile says so, being linked names nobody."""
    first = next(iter(dossier.confirmed_members))
    cleared = replace(dossier, listings=tuple(one for one in dossier.listings if one.member != first))
    profile = rules.profiles["customs"]
    names = name_members(cleared, profile, (), {})
    told = Disclosure(cleared, profile, names).tell()
    assert first not in names
    assert told.n_unnamed == len(dossier.members) - len(names) > 0


@given(st.integers(10**6, 10**12), st.sampled_from(["", " ", "-", ".", " / "]))
def test_a_number_one_can_call_is_a_contact_however_it_is_written(number, between):
    """Seven digits or more, whatever stands between them."""
    assert is_contact(f"Bag {between.join(str(number))}")


def test_names_stay_with_those_who_had_one(dossier, rules):
    """A second referral to a recipient calls sellers as the first did, and gives newcomers names that nobody has."""
    profile = rules.profiles["police-criminal"]
    keys = [one.key for one in dossier.members]
    names = name_members(dossier, profile, (keys[0],), {keys[1]: "S-002", keys[2]: "S-007"})
    assert (names[keys[1]], names[keys[2]], keys[0] in names) == ("S-002", "S-007", False)
    assert len(set(names.values())) == len(names)


# What people and programs read of a referral: whole, harmless, and the same every time
HOSTILE = '<script>alert(1)</script>"\x1b[2J=HYPERLINK(0)'
_GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def hostile_dossier(dossier):
    """Return the same dossier, of which every brand and title is hostile."""
    listings = tuple(replace(one, brand=HOSTILE, title=HOSTILE) for one in dossier.listings)
    return replace(dossier, listings=listings)


@pytest.fixture(scope="module")
def profile(rules):
    """Return the profile that allows most."""
    return rules.profiles["police-criminal"]


@pytest.fixture(scope="module")
def told(hostile_dossier, profile):
    """Return what the police is told."""
    return Disclosure(hostile_dossier, profile, name_members(hostile_dossier, profile, (), {})).tell()


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


def test_the_value_says_what_it_rests_on(told, profile):
    """An interval around the estimate, and how it came about; what is not known is null, and said in the unknown."""
    said = json.loads(write_value(told))
    assert said["value"]["low"] <= said["value"]["total"] <= said["value"]["high"]
    assert said["how"]
    endless = replace(told.sold_value.value, high=Money(float("inf"), "EUR"))
    unknown = replace(told, sold_value=replace(told.sold_value, value=endless))
    assert json.loads(write_value(unknown))["value"]["high"] is None
    lines = list(list_unknown(unknown, profile, 2, 0))
    assert any("The amount sold" in line for line in lines)
    assert any("2 members who were erased" in line for line in lines)
