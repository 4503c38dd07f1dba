"""`ipml cooperate notifier` and `ipml cooperate notice answer`: who gives notice, from the command line."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from support.notice_desk import Desk
from support.staff import add_staff

from ipml.enforcement.appeals.filings import file_appeal
from ipml.records import Verdict
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import encrypt
from ipml.storage.tables import notices, notifiers, rights_documents

HOSTILE = "EUTM\x1b[2J 018"


@pytest.fixture
def desk(ipml, engine, database_url, make_scored, monkeypatch) -> Desk:
    """Return a desk of today at which a notifier has filed a document, and was right once."""
    monkeypatch.setenv("IPML_DATABASE", database_url)
    add_staff(engine)
    desk = Desk(engine, make_scored, datetime.now(UTC) - timedelta(hours=1))
    desk.give_notice([desk.add_case("L1", country="CN")])
    desk.decide(1, Verdict.COUNTERFEIT)
    with writing(engine) as connection:
        whose = connection.scalars(select(notifiers.c.pseudonym)).one()
        connection.execute(update(rights_documents).values(reference=encrypt(connection, whose, HOSTILE)))
    return desk


def test_a_notifier_is_listed_shown_and_dealt_with(ipml, desk: Desk):
    """Whatever they write, the terminal obeys nobody; nobody is suspended without a warning and time."""
    assert "brand@example.com" in ipml("cooperate notifier list").out
    assert "standard" in ipml("cooperate notifier tiers").out
    assert ipml("cooperate notifier check").out.startswith("Nobody misuses notices")
    assert ipml("cooperate notifier document accept 1").out == "Document 1 of notifier 1 is accepted.\n"
    refused = ipml("cooperate notifier suspend brand@example.com --why 'too many'")
    assert (refused.exit_code, refused.err.count("\n")) == (2, 1)
    assert "is warned" in ipml("cooperate notifier warn 1 --why 'Unfounded\x1b[2J.'").out
    shown = ipml("cooperate notifier show brand@example.com").out
    assert "1 upheld, 0 rejected" in shown
    assert "accepted" in shown
    assert "warn until" in shown
    assert "\x1b" not in shown
    assert ipml("cooperate notifier lift 1 --why mistaken").exit_code == 0
    assert ipml("cooperate notifier list --kind nobody").exit_code == 2
    assert ipml("cooperate notifier erase 1 --yes").out.endswith("Notifier 1 is erased.\n")
    assert "erased" in ipml("cooperate notifier show 1").out


def test_as_of_a_moment_nothing_later_is_told(ipml, desk: Desk):
    """Whoever wrote later is not there, and what was looked at, appointed or done later is not yet."""
    now = datetime.now(UTC)
    told = [ipml("cooperate notifier show 1").out, ipml("cooperate notifier list").out]
    moment = ("--as-of", f"{now:%Y-%m-%dT%H:%M:%S%z}")
    assert ipml("cooperate notifier document accept 1").exit_code == 0
    assert ipml("cooperate notifier warn 1 --why Unfounded.").exit_code == 0
    appointed = ("appoint", 1, "--kind", "trusted flagger", "--ground", "The coordinator's list.")
    assert ipml("cooperate notifier", *appointed).exit_code == 0
    assert ipml("cooperate notifier show 1").out != told[0]
    assert [
        ipml("cooperate notifier show 1", *moment).out,
        ipml("cooperate notifier list", *moment).out,
    ] == told
    early = ("--as-of", "2020-01-01")
    assert ipml("cooperate notifier show 1", *early).exit_code == 2
    assert "brand@example.com" not in ipml("cooperate notifier list", *early).out


def test_a_notifier_answers_a_counter_notice(ipml, desk: Desk):
    """Told by the tick, giving up puts the listing back."""
    with writing(desk.engine) as connection:
        file_appeal(connection, "case:1", "s1", "It is genuine.", kind="counter-notice", profile="china")
    assert ipml("enforce appeal run").exit_code == 0
    assert len(desk.told("counter-notice:1:notifier:1")) == 1
    with reading(desk.engine) as connection:
        reference = connection.scalars(select(notices.c.reference)).one()
    assert ipml("cooperate notice answer", reference).exit_code == 2
    assert ipml("cooperate notice answer", reference, "--withdrawn").out == "Appeal 1 is restored.\n"


def test_a_lead_appoints_whom_others_gave_a_status(ipml, desk: Desk):
    """By address, also before the first notice; a reviewer may not, and what ended is listed."""
    ground = ("--ground", "Coordinator of Ireland\x1b[2J, no. 12")
    refused = ipml("cooperate notifier appoint flags@ngo.test", *ground, "--by", "ana")
    assert (refused.exit_code, refused.err.count("\n")) == (2, 1)
    made = ipml("cooperate notifier appoint flags@ngo.test --until 2199-12-31", *ground)
    assert made.out.startswith("Notifier 2 is trusted flagger until 2199-12-31: tier trusted,")
    assert ipml("cooperate notifier appoint brand@example.com --kind authority", *ground).exit_code == 0
    listed = ipml("cooperate notifier list --kind authority").out
    assert "brand@example.com" in listed
    assert "flags@ngo.test" not in listed
    shown = ipml("cooperate notifier show 2").out
    assert "trusted flagger until 2199-12-31 by olga: Coordinator of Ireland" in shown
    assert "\x1b" not in shown
    assert ipml("cooperate notifier appoint 2").exit_code == 2
    assert ipml("cooperate notifier appoint nobody", *ground).exit_code == 2
    assert ipml("cooperate notifier revoke 2", *ground).out == "Notifier 2 is rights holder again.\n"
    assert ipml("cooperate notifier revoke 2", *ground).exit_code == 2
