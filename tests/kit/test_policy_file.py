"""Files of rules, whoever reads them."""

from pathlib import Path

import pytest

from ipml.errors import UnusableSetting
from ipml.kit.policy_file import PolicyText, read_policy


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
    assert one.text == other.text
    assert one.digest == other.digest
    assert one.digest != read(tmp_path / "third.toml", "most_a_day = 6").digest


def test_a_policy_comes_back_from_its_text_and_a_copy_with_other_rules_is_another():
    """What was applied can be read when its file has changed; a digest that was asked for before is not copied."""
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
