"""Checking a notice: everything that is wrong with it, each thing by its field, and nothing that is right."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.given_notices import NOON, RULES, SAID, say

from ipml.cooperation.notices.notice import check_notice
from ipml.errors import InvalidNotice

HERE = RULES.model_copy(update={"listing_urls": (r"https://shop\.test/item/(?P<listing_id>\d+)",)})
TOLD = {"seller_id": "s1", "title": "Bag"}
COMPLAINT = {"kind": "complaint", "rights": None, "brand": None}
LATER = (NOON + timedelta(days=1)).isoformat()
INVISIBLE = "\u200b\u3164 \u2800"


def along(**fields: Any) -> dict[str, Any]:
    """Return what is changed in a good notice where what is told of a listing has some fields, too."""
    return {"listings": [{"listing_id": "A", "listing": TOLD | fields}]}


# What is changed in a good notice, and the fields that are named for it.
FAULTY: list[tuple[dict[str, Any], set[str]]] = [
    ({"explanation": None}, {"explanation"}),
    ({"explanation": 7}, {"explanation"}),
    ({"explanation": "fake"}, {"explanation"}),
    ({"explanation": INVISIBLE * 20}, {"explanation"}),
    ({"explanation": "x" * 10_001}, {"explanation"}),
    ({"explanation": "a long explanation with \0 in it"}, {"explanation"}),
    ({"explanation": "a long explanation with \ud800 in it"}, {"explanation"}),
    ({"name": INVISIBLE}, {"name"}),
    ({"name": "Ann\r\nBcc: eve@evil.test"}, {"name"}),
    ({"name": "x" * 201}, {"name"}),
    ({"email": None}, {"email"}),
    ({"email": "ann"}, {"email"}),
    ({"email": "ann@acme"}, {"email"}),
    ({"email": "ann@acme.test\nBcc: eve@evil.test"}, {"email"}),
    ({"email": "ann@acme.test, eve@evil.test"}, {"email"}),
    ({"email": ["ann@acme.test"]}, {"email"}),
    ({"email": "a" * 250 + "@acme.test"}, {"email"}),
    ({"good_faith": False}, {"good_faith"}),
    ({"good_faith": "true"}, {"good_faith"}),
    ({"good_faith": 1}, {"good_faith"}),
    ({"good_faith": None}, {"good_faith"}),
    ({"brand": ["Acme"]}, {"brand"}),
    ({"brand": None}, {"brand"}),
    ({"rights": 18123456}, {"rights"}),
    ({"kind": "theft"}, {"kind"}),
    ({"kind": None}, {"kind"}),
    ({"language": "English, please"}, {"language"}),
    ({"key": ""}, {"key"}),
    ({"key": "k" * 256}, {"key"}),
    ({"order": {"order_id": "1"}}, {"order"}),
    (COMPLAINT | {"order": {"order_id": "1", "bought_at": LATER}}, {"order.bought_at"}),
    (COMPLAINT | {"order": {"order_id": "1", "bought_at": "2026-01-01T00:00:00"}}, {"order.bought_at"}),
    (COMPLAINT | {"order": {"order_id": "1", "bought_at": "0001-01-01T00:00:00+14:00"}}, {"order.bought_at"}),
    (COMPLAINT | {"order": {"bought_at": None, "price": 3}}, {"order.price", "order.order_id"}),
    ({"explanations": "typo"}, {"explanations"}),
    ({"\x1b[2J": 1}, {"\\x1b[2J"}),
    ({"listings": None}, {"listings"}),
    ({"listings": []}, {"listings"}),
    ({"listings": {"listing_id": "A"}}, {"listings"}),
    ({"listings": [{"listing_id": str(number)} for number in range(301)]}, {"listings"}),
    ({"listings": ["A"]}, {"listings[0]"}),
    ({"listings": [{}]}, {"listings[0]"}),
    ({"listings": [{"listing_id": "A"}, {"listing_id": "A"}]}, {"listings[1]"}),
    ({"listings": [{"listing_id": "A"}, {"listing_id": 7}]}, {"listings[1].listing_id"}),
    ({"listings": [{"listing_id": "A" * 201}]}, {"listings[0].listing_id"}),
    ({"listings": [{"url": "javascript:alert(1)"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "//shop.test/item/1"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://shop.test@evil.test/item/1"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://[::1"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://shop.test/item/1\n2"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://shop.test/" + "x" * 2_048}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://other.test/item/1"}]}, {"listings[0].url"}),
    ({"listings": [{"url": "https://shop.test/item/1", "listing_id": "2"}]}, {"listings[0].listing_id"}),
    ({"listings": [{"listing_id": "A", "listing": "Bag"}]}, {"listings[0].listing"}),
    (along(price="9"), {"listings[0].listing.price"}),
    (along(colour="red"), {"listings[0].listing.colour"}),
    (along(price=-1), {"listings[0].listing.price"}),
    (along(price=True), {"listings[0].listing.price"}),
    ({"listings": [{"listing_id": "A", "listing": {"title": "Bag"}}]}, {"listings[0].listing.seller_id"}),
    (along(listing_id="B"), {"listings[0].listing.listing_id"}),
    (along(observed_at=LATER), {"listings[0].listing.observed_at"}),
    (along(is_counterfeit="yes"), {"listings[0].listing.is_counterfeit"}),
    (
        {"explanation": "fake", "email": "x", "good_faith": None, "listings": [{"url": "x"}], "typo": 1},
        {"explanation", "email", "good_faith", "listings[0].url", "typo"},
    ),
]


def test_every_fault_is_named_by_its_field(subtests: pytest.Subtests):
    """What was found is shortened, and commands no screen."""
    for changes, fields in FAULTY:
        with subtests.test(changes=changes):
            with pytest.raises(InvalidNotice) as refused:
                check_notice(SAID | changes, HERE, now=NOON)
            problems = refused.value.problems
            assert {found.column for found in problems} == fields
            assert all(len(found.value) <= 80 and found.value.isprintable() and found.expected for found in problems)
            str(refused.value).encode()


def test_of_more_faults_than_are_kept_the_first_are_named():
    """A thousand of them; what has a fault that is not kept is no listing all the same."""
    listing = TOLD | {"colour": "red", "size": "M", "shape": "round", "weight": "light"}
    with pytest.raises(InvalidNotice) as raised:
        check_notice(say(listings=[{"listing_id": str(n), "listing": listing} for n in range(300)]), RULES)
    assert len(raised.value.problems) == 1_000


def test_what_is_no_object_is_no_notice():
    """All of it is at fault, and what it lacks."""
    for content in (None, 7, "notice", [SAID], True):
        with pytest.raises(InvalidNotice) as refused:
            check_notice(content, HERE, now=NOON)
        assert "" in {found.column for found in refused.value.problems}, content


def test_a_good_notice_is_read():
    """Blanks around texts go, an address is in small letters, an id is found in the address of a listing."""
    said = SAID | {"name": "  Ann Lee ", "email": "Ann@ACME.test", "listings": [{"url": "https://shop.test/item/77"}]}
    notice = check_notice(said, HERE, now=NOON)
    assert (notice.name, notice.email, notice.kind) == ("Ann Lee", "ann@acme.test", "counterfeit")
    assert [(one.listing_id, one.location) for one in notice.listings] == [("77", "https://shop.test/item/77")]
    assert len(say(*map(str, range(300))).listings) == 300  # one more is refused
    unmapped = [{"url": "https://shop.test/a"}, {"url": "https://shop.test/b", "listing_id": "7"}]
    assert [one.listing_id for one in say(listings=unmapped).listings] == [None, "7"]
    assert say(key="a").content == say().content != say(name="Bo").content  # by which a repeated one is known again


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(content=st.dictionaries(st.sampled_from([*SAID, "kind", "key", "order", "language"]), JSON) | JSON)
def test_whatever_comes_is_a_notice_or_refused_in_words(content: object):
    """Never anything else, and in words that any screen and any database can hold."""
    problems = ()
    try:
        check_notice(content, HERE, now=NOON)
    except InvalidNotice as refused:
        problems = refused.problems
        str(refused).encode()
    assert all(found.value.isprintable() for found in problems)
