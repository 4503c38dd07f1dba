"""The rules of the gate are a file, over which one may lay one's own."""

from importlib.resources import files
from pathlib import Path

import pytest

from ipml.errors import IpmlError
from ipml.model.promotion import load_rules
from ipml.model.promotion.gate import GateRules


def test_every_bundled_rule_and_limit_has_its_reason() -> None:
    """In the file, the head of each rule and each limit are followed by a comment."""
    text = files("ipml.model.promotion").joinpath("gate.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(("[", "at_"))]
    assert len(lines) == 2 * len(GateRules.model_fields)
    assert all("# " in line for line in lines)


def test_own_rules_lie_over_the_bundled_ones(tmp_path: Path) -> None:
    """What a file does not name stays as it is, within a rule as well."""
    path = tmp_path / "rules.toml"
    path.write_text("[recall_at_precision]\nat_least = 0.4\n[recall_kept_worst]\nmust_be_measured = true\n")
    own, bundled = load_rules(path), load_rules()
    assert own.recall_at_precision.at_least == 0.4
    assert own.recall_at_precision.must_be_measured
    assert own.recall_kept_worst.must_be_measured
    assert own.recall_kept_worst.at_least == bundled.recall_kept_worst.at_least
    assert own.calibration_error == bundled.calibration_error
    assert load_rules() == bundled


def test_what_is_no_rule_is_said_so(tmp_path: Path) -> None:
    """Each mistake is one line that names the place; so is a file that is not there."""
    path = tmp_path / "rules.toml"
    with pytest.raises(IpmlError, match="gate rules"):
        load_rules(path)
    for text, complaint in (
        ("[beauty]\nat_least = 1\n", "unknown beauty"),
        ("recall_at_precision = 0.4\n", "recall_at_precision"),
        ("[recall_at_precision]\nat_most = 0.4\n", "either at_least or at_most"),
        ("[recall_at_precision]\nat_least = nan\n", "finite"),
        ("[recall_at_precision]\nleast = 0.4\n", "unknown recall_at_precision.least"),
        ("[recall_at_precision]\nmust_not_worsen = true\n", "unknown recall_at_precision.must_not_worsen"),
        ("[recall_at_precision\n", "TOML"),
    ):
        path.write_text(text)
        with pytest.raises(IpmlError, match=complaint) as caught:
            load_rules(path)
        assert len(str(caught.value).splitlines()) == 1
