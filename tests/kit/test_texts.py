"""Texts read and written: JSON, moments, policy files, and strangers' words."""

import json
import math
import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.enforcement.evidence import verify
from ipml.errors import UnusableSetting
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.hostile_text import escape, is_invisible, make_templates, show_invisible
from ipml.kit.moments import (
    EARLIEST,
    EXPECTED,
    LATEST,
    from_microseconds,
    read_moment,
    read_typed_moment,
    to_microseconds,
    write_moment,
)
from ipml.kit.policy_file import PolicyText, read_policy

TEXTS = st.text(st.characters(exclude_categories=()))  # half surrogate pairs, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXTS, parts, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_it_is_json_in_ascii_and_says_the_same(value):
    """Whatever the value is."""
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_order_does_not_matter(content):
    """Two objects that say the same are spelt the same, and as the checker of evidence packages spells them."""
    assert canonical_json(dict(reversed(content.items()))) == canonical_json(content)
    assert canonical_json(content).encode() == verify._canonical(content)


def test_moments_have_a_form_and_other_things_none():
    """A moment becomes its text in UTC; NaN and sets are refused."""
    assert canonical_json([datetime(2024, 5, 1, tzinfo=UTC)]) == '["2024-05-01T00:00:00+00:00"]'
    with pytest.raises(TypeError, match="has no form in JSON"):
        canonical_json({1, 2})
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON compliant"):
            canonical_json({"a": number})


@given(st.text())
def test_the_digest_of_a_text_is_that_of_its_bytes(text: str):
    """In UTF-8."""
    assert digest(text) == digest(text.encode()) == sha256(text.encode()).hexdigest()


MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31, 23, 59, 59, 999_999)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS)
def test_a_moment_comes_back_from_its_text(moment: datetime, zone: timezone):
    """In whatever zone it was written, and it is written in UTC."""
    elsewhere = moment.astimezone(zone)
    assert read_moment(elsewhere.isoformat()) == read_moment(elsewhere) == moment
    assert write_moment(elsewhere) == write_moment(moment) == moment.isoformat()
    assert read_moment(write_moment(moment)).tzinfo is UTC


@given(MOMENTS)
def test_a_moment_comes_back_from_its_number(moment: datetime):
    """To the microsecond."""
    assert from_microseconds(to_microseconds(moment)) == moment


NO_MOMENTS = (
    *("2026-05-01", "2026-05-01T12:00:00", "2026-05-01T12Z", "20260501T120000Z", "2026-02-30T12:00Z", "noon", ""),
    *("2026-05-01T12:00:00.1234567Z", " 2026-05-01T12:00Z", "2026-05-01T24:00Z", "٢٠٢٦-05-01T12:00Z"),
    *("1969-12-31T23:59:59Z", "2200-01-01T00:00Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"),
    *(None, 1_777_636_800, True, ["2026-05-01T12:00Z"], datetime(2026, 5, 1), LATEST),
)


def test_what_is_no_moment_is_refused(subtests):
    """Without an offset, out of the range, too fine, or anything else: the error says what was expected."""
    assert read_moment("1970-01-01T00:00Z") == EARLIEST
    assert read_moment("2199-12-31T23:59:59.999999Z") < LATEST
    for value in NO_MOMENTS:
        with subtests.test(repr(value)), pytest.raises(ValueError, match=EXPECTED):
            read_moment(value)


def test_a_person_may_leave_out_time_and_zone():
    """A day is its first moment, and UTC is meant."""
    moments = {"2026-05-01": "2026-05-01T00:00:00+00:00", "2026-05-01T12:30": "2026-05-01T12:30:00+00:00"}
    moments |= {"2026-05-01 12:30:15": "2026-05-01T12:30:15+00:00"}
    moments |= {"2026-05-01T12:30+0200": "2026-05-01T10:30:00+00:00"}
    assert {text: write_moment(read_typed_moment(text)) for text in moments} == moments


def test_what_a_person_mistyped_is_named():
    """With what was expected, and nothing that a terminal would obey."""
    for text in ("1969-12-31", "2026-13-01", "yesterday", "2026-05-01T", "\x1b[2J"):
        with pytest.raises(ValueError, match=r"found '.*; expected a day or a moment, such as") as caught:
            read_typed_moment(text)
        assert str(caught.value).isprintable()


def test_every_character_that_cannot_be_seen_is_known() -> None:
    """All controls, format characters, surrogates and separators of Unicode are shown by their code point."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if unicodedata.category(letter) in hidden:
            assert is_invisible(letter), hex(number)


@given(st.text(st.sampled_from("ab<>&\"'\u200b\u202e\n\0")))
def test_escaped_text_has_no_tag_and_hides_nothing(text: str) -> None:
    """But line breaks and tabs, which are harmless in a paragraph."""
    shown = escape(text)
    assert not set("<>\"'") & set(shown)
    assert not any(is_invisible(letter) for letter in shown if letter != "\n")


def test_templates_escape_and_show_by_themselves() -> None:
    """Markup stays unchanged."""
    templates = make_templates("ipml.cooperation.reports")
    written = templates.from_string("{{ text }} {{ '<b>'|safe }}").render(text="<i>\u200b")
    assert written == "&lt;i&gt;⟦U+200B⟧ <b>"
    assert show_invisible("a\tb") == "a\tb"


class Limits(PolicyText):
    """Some rules."""

    most_a_day: int
    by_brand: dict[str, float] = {}  # noqa: RUF012  a field of a model


def read(path: Path, content: str | bytes) -> Limits:
    """Write a file and read it."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_policy(Limits, path, "ipml/limits.toml", kind="limits")


def test_order_and_notes_of_a_file_change_no_digest(tmp_path: Path):
    """The same rules are the same policy; other rules are another."""
    one = read(tmp_path / "one.toml", "most_a_day = 5\n[by_brand]\nAcme = 1\nBolt = 2\n")
    other = read(tmp_path / "other.toml", "by_brand = {Bolt = 2.0, Acme = 1.0}  # as agreed\nmost_a_day = 5\n")
    assert (one.text, one.digest) == (other.text, other.digest)
    assert one.digest != read(tmp_path / "third.toml", "most_a_day = 6").digest


def test_a_policy_comes_back_from_its_text_and_a_copy_with_other_rules_is_another():
    """An applied policy can be read after its file has changed; a stored digest is not stored again."""
    limits = Limits(most_a_day=5, by_brand={"Ācme": 0.5})
    assert Limits.from_text(limits.text) == limits
    assert limits.digest != limits.model_copy(update={"most_a_day": 6}).digest
    assert limits.digest == limits.model_copy().digest


WRONG = (
    ("most_a_day =", r"found no TOML \(.*\); expected a copy of ipml/limits.toml"),
    (b"most_a_day = 5 # \xff", r"found no TOML \(.*\); expected a copy of ipml/limits.toml"),
    ("most_a_day = 'few'\nleast = 1", "most_a_day = 'few' .*unknown least; expected values like those in ipml/"),
    ("most_a_days = 5", r"no most_a_day; unknown most_a_days \(perhaps most_a_day\)"),
)


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path):
    """Which file, what was found, and what was expected."""
    for content, complaint in WRONG:
        with pytest.raises(UnusableSetting, match=f"limits {tmp_path / 'own.toml'}: .*{complaint}") as caught:
            read(tmp_path / "own.toml", content)
        assert "\n" not in str(caught.value)
    for path, found in ((tmp_path / "none.toml", "no such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UnusableSetting, match=f"policy {path}: found {found}; expected a copy of ipml/limits.toml"):
            read_policy(Limits, path, "ipml/limits.toml")


def test_what_a_file_leaves_out_can_be_filled_in(tmp_path: Path):
    """By the module that reads it."""
    path = tmp_path / "own.toml"
    path.write_text("[by_brand]\nAcme = 1\n")
    limits = read_policy(Limits, path, "ipml/limits.toml", complete=lambda own: {"most_a_day": 7} | own)
    assert limits == Limits(most_a_day=7, by_brand={"Acme": 1})
