"""The rules of working together as data: the file `policy.toml`, or a copy that a marketplace has made its own."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ipml.cooperation.clues.rules import ClueRules
from ipml.cooperation.notices.rules import NoticeRules
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.traders.rules import TraderRules
from ipml.settings import get_settings, read_rules

_BUNDLED = Path(__file__).with_name("policy.toml")


class CooperationPolicy(BaseModel):
    """How others are heard and told; the file says what each rule means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notices: NoticeRules
    notifiers: NotifierRules
    clues: ClueRules
    reports: ReportRules = ReportRules()
    traders: TraderRules


def load_cooperation_policy(path: Path | None = None) -> CooperationPolicy:
    """Read a policy file; by default the setting `cooperation`, else the bundled one.

    Raises
    ------
    UnusableSetting
        There is no such file, it is not TOML, or it says something ipml cannot follow: all faults in one line.
    """
    return read_rules(CooperationPolicy, path or get_settings().cooperation or _BUNDLED, "ipml/cooperation/policy.toml")
