"""Counter-notices: passed on to the rights holder, who acts within the term, gives up, or says nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import Engine

from ipml.enforcement.appeals.appeal import Appeal, change_appeal, find_appeal, move
from ipml.enforcement.appeals.deciding import restore
from ipml.enforcement.appeals.filing import stop_all
from ipml.enforcement.appeals.letters import write_seller
from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.appeals.states import AppealEvent
from ipml.enforcement.clocks.clocks import Clock, extend, find_clocks, pause, resume
from ipml.enforcement.policy import load_enforcement_policy
from ipml.errors import IllegalStep, SellerErased, UnstorableValue
from ipml.review.cases import find_case
from ipml.review.snapshot import decode_listing, digest
from ipml.review.texts import check_text
from ipml.storage import audit
from ipml.storage.database import writing
from ipml.storage.pseudonyms import seal

_LONGEST_REFERENCE = 500


def holder_acted(engine: Engine, appeal_id: int, reference: str, by: str, *, now: datetime | None = None) -> Appeal:
    """Record that the rights holder has complained to an authority or sued: the measure stays, and the term stops.

    Parameters
    ----------
    reference : str
        Of what they filed: court and docket, or authority and file number; at most 500 characters.
    by : str
        Who records it.

    Raises
    ------
    IllegalStep
        The term is over, and that was recorded; or it is no counter-notice that waits for them.
    AppealNotFound, UnstorableValue
    """
    check_text("reference", reference, _LONGEST_REFERENCE)
    if not reference.strip():
        raise UnstorableValue("reference", "nothing", "where the complaint or suit was filed, and its number")
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        running = find_clocks(connection, f"appeal:{appeal_id}", lock=True)
        appeal = move(connection, find_appeal(connection, appeal_id, lock=True), AppealEvent.HOLDER_ACTED)
        stop_all(connection, running, by, now)
        sealed = None
        with suppress(SellerErased):
            sealed = seal(connection, appeal.pseudonym, reference)
        change_appeal(connection, appeal_id, reference=sealed)
        audit.append(connection, by, "holder acted", appeal.name, {"sealed": sealed and digest(sealed)}, at=now)
        return appeal


def holder_withdrew(
    engine: Engine, appeal_id: int, by: str, *, rules: AppealRules | None = None, now: datetime | None = None
) -> Appeal:
    """Record that the rights holder gives up: the restriction ends at once.

    Raises
    ------
    IllegalStep, AppealNotFound
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    with writing(engine) as connection:
        running = find_clocks(connection, f"appeal:{appeal_id}", lock=True)
        appeal = find_appeal(connection, appeal_id, lock=True)
        appeal = restore(connection, appeal, AppealEvent.HOLDER_WITHDREW, by, now)
        stop_all(connection, running, by, now)
        listing = decode_listing(find_case(connection, appeal.case_id).snapshot)
        write_seller(connection, appeal, "restored", listing, rules, now)
        return appeal


def change_term(
    engine: Engine,
    appeal_id: int,
    how: str,
    by: str,
    *,
    rules: AppealRules | None = None,
    now: datetime | None = None,
) -> Clock:
    """Extend, pause or resume the term that runs for an appeal.

    Parameters
    ----------
    how : str
        "extend" (once, to the longer term of the profile), "pause" or "resume".

    Raises
    ------
    IllegalStep
        Nothing runs, or the profile has no longer term.
    AppealNotFound
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    with writing(engine) as connection:
        running = list(find_clocks(connection, f"appeal:{appeal_id}", lock=True).values())
        appeal = find_appeal(connection, appeal_id, lock=True)
        found = [clock for clock in running if not clock.has_ended]
        if not found or how not in ("extend", "pause", "resume"):
            raise IllegalStep(appeal.name, appeal.state, how)
        if how == "pause":
            return pause(connection, found[0], by, now)
        change = extend if how == "extend" else resume
        return change(connection, found[0], rules.load_profile(appeal.profile), by, now)
