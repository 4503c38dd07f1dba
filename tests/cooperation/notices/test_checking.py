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
EXPLANATIONS = (None, 7, "fake", INVISIBLE * 20, "x" * 10_001, *(f"a long explanation, {c} in it" for c in "\0\ud800"))
EMAILS = (None, "ann", "ann@acme", "ann@acme.test, eve@evil.test", ["ann@acme.test"], "a" * 250 + "@acme.test")
EMAILS += ("ann@acme.test\nBcc: eve@evil.test",)
WRONG = {"explanation": EXPLANATIONS, "email": EMAILS, "name": (INVISIBLE, "Ann\r\nBcc: eve@evil.test", "x" * 201)}
WRONG |= {"good_faith": (False, "true", 1, None), "brand": (["Acme"], None), "rights": (18123456,), "kind": ("x", None)}
WRONG |= {"language": ("English, please",), "order": ({"order_id": "1"},), "key": ("", "k" * 256), "typo": ("x",)}
WRONG |= {"listings": (None, [], {"listing_id": "A"}, [{"listing_id": str(number)} for number in range(301)])}
WRONG_URLS = ("javascript:alert(1)", "//shop.test/item/1", "https://shop.test@evil.test/item/1", "https://[::1")
WRONG_URLS += ("https://shop.test/item/1\n2", "https://shop.test/" + "x" * 2_048, "https://other.test/item/1")
WRONG_ORDERS = (LATER, "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00")
TOLD_WRONG = {"price": ("9", -1, True), "colour": ("red",), "listing_id": ("B",), "observed_at": (LATER,)}
TOLD_WRONG |= {"is_counterfeit": ("yes",)}
FAULTY: list[tuple[dict[str, Any], set[str]]] = [
    *(({field: value}, {field}) for field, values in WRONG.items() for value in values),
    *(({"listings": [{"url": url}]}, {"listings[0].url"}) for url in WRONG_URLS),
    *((COMPLAINT | {"order": {"order_id": "1", "bought_at": at}}, {"order.bought_at"}) for at in WRONG_ORDERS),
    *((along(**{name: one}), {f"listings[0].listing.{name}"}) for name, some in TOLD_WRONG.items() for one in some),
    (COMPLAINT | {"order": {"bought_at": None, "price": 3}}, {"order.price", "order.order_id"}),
    ({"\x1b[2J": 1}, {"\\x1b[2J"}),
    *(({"listings": [one]}, {"listings[0]"}) for one in ("A", {})),
    ({"listings": [{"listing_id": "A"}, {"listing_id": "A"}]}, {"listings[1]"}),
    ({"listings": [{"listing_id": "A"}, {"listing_id": 7}]}, {"listings[1].listing_id"}),
    ({"listings": [{"listing_id": "A" * 201}]}, {"listings[0].listing_id"}),
    ({"listings": [{"url": "https://shop.test/item/1", "listing_id": "2"}]}, {"listings[0].listing_id"}),
    ({"listings": [{"listing_id": "A", "listing": "Bag"}]}, {"listings[0].listing"}),
    ({"listings": [{"listing_id": "A", "listing": {"title": "Bag"}}]}, {"listings[0].listing.seller_id"}),
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
