"""The rules of enforcement as data: the file `policy.toml`, or a copy that a marketplace has made its own."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, insert, select

from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.automatic.rules import AutomaticRules
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.privacy.rules import RetentionRules
from ipml.enforcement.statements.facts import StatementRules
from ipml.enforcement.takedown.measures import MeasureRules
from ipml.settings import get_settings, read_rules
from ipml.storage.tables import enforcement_policies

_BUNDLED = Path(__file__).with_name("policy.toml")


class EnforcementPolicy(BaseModel):
    """What follows from a decision; the file says what each rule means.

    Examples
    --------
    >>> load_enforcement_policy().measures.usual.value
    'remove'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    measures: MeasureRules
    automatic: AutomaticRules
    penalties: PenaltyRules
    appeals: AppealRules
    statements: StatementRules
    retention: RetentionRules

    @cached_property
    def text(self) -> str:
        """The policy as JSON in ASCII: the same policy gives the same text."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"), sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_enforcement_policy(path: Path | None = None) -> EnforcementPolicy:
    """Read a policy file; by default the setting `enforcement`, else the bundled one.

    Raises
    ------
    UnusableSetting
        There is no such file, it is not TOML, or it says something ipml cannot follow: all faults in one line.
    """
    return read_rules(EnforcementPolicy, path or get_settings().enforcement or _BUNDLED, "ipml/enforcement/policy.toml")


@lru_cache(maxsize=4)
def parse_enforcement_policy(text: str) -> EnforcementPolicy:
    """Return the policy whose `text` this is."""
    return EnforcementPolicy.model_validate_json(text)


def keep_policy(connection: Connection, policy: EnforcementPolicy, now: datetime) -> str:
    """Keep the text of a policy that is used, once, and return its digest."""
    query = select(enforcement_policies.c.digest).where(enforcement_policies.c.digest == policy.digest)
    if connection.scalar(query) is None:
        fields = {"digest": policy.digest, "policy": policy.text, "first_used_at": now}
        connection.execute(insert(enforcement_policies).values(fields))
    return policy.digest
