"""Networks found: the laws that hold whatever the data, planted ones, their numbers, and shared attributes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shown_goods import show_goods

from ipml.cooperation.networks import attributes
from ipml.cooperation.networks.detection import add_events, find_networks, first_numbers, keep_numbers
from ipml.errors import MissingColumns, UnreadableFile, UnusableSetting
from ipml.storage.database import reading

DAY = pd.Timestamp("2026-03-01", tz="UTC")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.sampled_from([kind.value for kind in attributes.KINDS]),
        st.integers(0, 4),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=30,
)


def as_groups(networks):
    """Return the networks as sets of sellers."""
    numbers = networks.numbering.number
    ids = networks.holdings.seller_ids
    return {frozenset(ids[numbers == number].tolist()) for number in np.unique(numbers[numbers > 0])}


def as_frame(rows):
    """Return rows of hypothesis as attributes."""
    frame = pd.DataFrame(rows, columns=["seller", "kind", "value", "day"])
    columns = {"seller_id": "s" + frame["seller"].astype(str), "kind": frame["kind"]}
    columns |= {"value": "v" + frame["value"].astype(str), "seen_at": DAY + pd.to_timedelta(frame["day"], unit="D")}
    return pd.DataFrame(columns)


def links_of(networks):
    """Return the links with the names of who is linked."""
    links, ids = networks.links, networks.holdings.seller_ids
    return list(zip(ids[links.first], ids[links.second], links.weight.tolist(), strict=True))


def test_the_order_of_rows_changes_nothing(sellers, networks):
    """Rows in another order, some of them twice, give the same networks with the same numbers."""
    rows = pd.concat([sellers.attributes, sellers.attributes.head(500)]).sample(frac=1.0, random_state=3)
    again = find_networks(rows)
    assert np.array_equal(again.numbering.number, networks.numbering.number)
    assert links_of(again) == links_of(networks)


def test_names_of_sellers_and_values_change_nothing(sellers, networks):
    """Other names give the same networks under these names."""
    renamed = sellers.attributes.assign(
        seller_id=sellers.attributes["seller_id"].str[::-1], value="x" + sellers.attributes["value"].str[::-1]
    )
    found = {frozenset(name[::-1] for name in group) for group in as_groups(find_networks(renamed))}
    assert found == as_groups(networks)


def test_a_hub_joins_nobody(sellers, networks, subtests):
    """A value that every third seller has, members of networks among them, changes no network."""
    for kind in ("payout", "phrase"):
        with subtests.test(kind=kind):
            some = networks.holdings.seller_ids[::3]
            hub = pd.DataFrame(
                {"seller_id": some, "kind": kind, "value": "hub", "seen_at": sellers.attributes["seen_at"].max()}
            )
            assert as_groups(find_networks(pd.concat([sellers.attributes, hub]))) == as_groups(networks)


@settings(max_examples=5)
@given(ROWS, ROWS, ROWS)
def test_any_events_added_give_the_same_as_all_at_once(first, second, third):
    """Whatever the rows and however they are cut."""
    found = add_events(add_events(find_networks(as_frame(first)), as_frame(second)), as_frame(third))
    anew = find_networks(as_frame(first + second + third))
    assert links_of(found) == links_of(anew)
    assert np.array_equal(found.group, anew.group)


def test_planted_networks_come_out(sellers, networks):
    """Of two planted networks no two are one, and nearly all their members are together, with hardly anyone else."""
    truth = sellers.truth.set_index("seller_id").loc[list(networks.holdings.seller_ids)]
    for planted in range(1, 5):
        members = np.flatnonzero(truth["network"] == planted)
        (number, count) = max(
            zip(*np.unique(networks.numbering.number[members], return_counts=True), strict=True), key=lambda one: one[1]
        )
        assert number > 0
        assert count >= 0.75 * len(members)
        assert (truth["network"].to_numpy()[networks.members_of(number)] == planted).mean() >= 0.9


def test_weak_kinds_add_up_and_a_strong_one_suffices():
    """One rare payout joins two of many sellers; one rare picture does not; picture, phrase and template do."""
    crowd = [(100 + seller, "phone", 100 + seller, 0) for seller in range(500)]

    def found(*kinds):
        return as_groups(find_networks(as_frame([*crowd, *((who, kind, 1, 0) for kind in kinds for who in (1, 2))])))

    assert found("payout") == {frozenset({"s1", "s2"})}
    assert found("image") == set()
    assert found("image", "phrase", "template") == {frozenset({"s1", "s2"})}


def test_what_is_no_table_of_attributes_is_refused(tmp_path):
    """A missing column, an unknown kind, an empty cell and another kind of file are each named."""
    good = as_frame([(1, "phone", 1, 1)])
    with pytest.raises(MissingColumns, match="kind"):
        find_networks(good.drop(columns="kind"))
    with pytest.raises(UnreadableFile, match="fax"):
        find_networks(good.assign(kind="fax"))
    with pytest.raises(UnreadableFile, match="empty cell"):
        find_networks(good.assign(value=None))
    (tmp_path / "no.parquet").write_text("no", encoding="utf-8")
    with pytest.raises(UnreadableFile):
        find_networks(tmp_path / "no.parquet")


# Networks keep their numbers, and what becomes of them is noted
def step(before, group):
    """Return the numbers after the groups changed and nobody came."""
    return keep_numbers(before, np.arange(len(before.number)), np.array(group), at=7)


def told(numbering):
    """Return what is noted."""
    return [(change.network, change.what, change.other) for change in numbering.changes]


def test_a_network_that_grows_keeps_its_number():
    """A seller who comes, earlier in the order than all members, takes their number."""
    before = first_numbers(np.array([0, 0, 2]))
    after = keep_numbers(before, np.array([1, 2, 3]), np.array([0, 0, 0, 3]), at=7)
    assert after.number.tolist() == [1, 1, 1, 0]
    assert told(after) == []


def test_a_number_is_never_given_twice():
    """The larger part of a split network keeps it, the other gets a new one; one that ends leaves it."""
    after = step(first_numbers(np.array([0, 0, 0, 0, 0])), [0, 0, 2, 2, 2])
    assert (after.number.tolist(), told(after)) == ([2, 2, 1, 1, 1], [(1, "split", 2)])
    ended = step(first_numbers(np.array([0, 0, 2])), [0, 1, 2])
    assert (ended.number.tolist(), told(ended)) == ([0, 0, 0], [(1, "ended", 0)])
    assert step(ended, [0, 1, 1]).number.tolist() == [0, 2, 2]


KEY = b"a key of many bytes, kept secret"


@settings(max_examples=20)
@given(st.sampled_from(attributes.KINDS), st.text(max_size=12))
def test_normalising_twice_is_normalising_once(kind, text):
    """What is written in the plain way stays as it is."""
    once = attributes.normalise_value(kind, text)
    assert attributes.normalise_value(kind, once) == once


def test_a_phone_is_the_same_however_it_is_written(subtests):
    """Signs, the code of the country and digits of other scripts make no difference."""
    for text in ["+49 170 1234567", "0049 (170) 123-45 67", "0170/1234567", "٠170 1234567"]:
        with subtests.test(text=text):
            assert attributes.normalise_value(attributes.AttributeKind.PHONE, text, "49") == "491701234567"


def test_kind_and_key_are_part_of_the_hash():
    """The same digits as phone and as account, or under another key, are not the same."""
    hashes = {attributes.hash_value(key, kind, "12345") for key in (KEY, KEY + b"2") for kind in attributes.KINDS[:2]}
    assert len(hashes) == 4


def test_a_file_is_hashed_and_nothing_of_it_is_left(tmp_path):
    """The values go, all else stays; a short key and an unknown kind are refused."""
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    raw, out, key = tmp_path / "raw.parquet", tmp_path / "out.parquet", tmp_path / "key"
    frame = pd.DataFrame({"seller_id": ["a", "b"], "kind": "phone", "value": ["+491701", "0170 1"], "seen_at": moment})
    frame.to_parquet(raw)
    key.write_bytes(KEY)
    assert attributes.hash_attributes(raw, out, key, "49") == 2
    hashed = pd.read_parquet(out)
    assert hashed["value"].nunique() == 1
    assert b"1701" not in out.read_bytes()
    assert hashed.drop(columns="value").equals(frame.drop(columns="value"))
    key.write_bytes(b"short")
    with pytest.raises(UnusableSetting):
        attributes.hash_attributes(raw, out, key)
    key.write_bytes(KEY)
    frame.assign(kind="fax").to_parquet(raw)
    with pytest.raises(UnreadableFile, match="fax"):
        attributes.hash_attributes(raw, out, key)


# Sellers who show the same picture share an attribute
def test_the_same_picture_is_an_attribute_that_sellers_share(engine, make_scored, tmp_path):
    """Once for each seller; what nobody else shows links nobody; without a key nothing is written."""
    key, out = tmp_path / "key", tmp_path / "pictures.parquet"
    for number, (seller_id, seeds) in enumerate([("ann", (1, 2)), ("ben", (1,)), ("ann", (1,)), ("cem", (3,))]):
        scored = make_scored(f"L{number}", title=f"Thing {number}", seller_id=seller_id)
        show_goods(engine, tmp_path / "pictures", scored, *seeds)
    with reading(engine) as connection:
        with pytest.raises(UnusableSetting):  # whoever could guess the values could undo the hashes
            attributes.write_picture_attributes(connection, out, key)
        assert not out.exists()
        key.write_bytes(b"sixteen bytes or more")
        assert attributes.write_picture_attributes(connection, out, key) == 4
    holdings = attributes.hold(out)
    assert (holdings.n_sellers, holdings.holders.tolist()) == (3, [2])
