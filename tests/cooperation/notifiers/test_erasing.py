"""Documents of rights, and forgetting a notifier."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select
from support.given_notices import WORDS, say
from support.notice_desk import NOON, Desk
from support.planted_seller import find_clear, find_markers

from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notices.status import find_notices, find_receipt
from ipml.cooperation.notifiers.misuse import lift, list_steps, suspend, warn
from ipml.cooperation.notifiers.notifier import check_document, find_notifier, list_documents, list_notifiers
from ipml.cooperation.notifiers.tiers import erase_notifier
from ipml.errors import Conflict, NotFound
from ipml.records import Verdict
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import encrypt
from ipml.storage.tables import notices, notifiers, outbox, rights_documents


@pytest.fixture
def filed(desk: Desk) -> Desk:
    """Return a desk with a notifier who filed a document."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        whose = connection.scalars(select(notifiers.c.pseudonym)).one()
        fields = {"notifier_id": number, "brand": "Acme", "reference": encrypt(connection, whose, "EUTM 018123456")}
        connection.execute(insert(rights_documents).values(**fields, filed_at=NOON))
    return desk


def test_a_person_says_whether_a_document_shows_the_rights(filed: Desk):
    """And the notifier is told; it can be looked at again."""
    for is_accepted, by in ((False, "lea"), (True, "max")):
        with writing(filed.engine) as connection:
            checked = check_document(connection, 1, by, is_accepted=is_accepted, now=filed.pass_time())
        assert (checked.is_accepted, checked.checked_by, checked.reference) == (is_accepted, by, "EUTM 018123456")
    assert [kind for kind, _ in filed.told("notifier:1")] == ["rights_document"] * 2
    with reading(filed.engine) as connection:
        assert list_documents(connection, 1) == [checked]
    with pytest.raises(NotFound, match="No document"), writing(filed.engine) as connection:
        check_document(connection, 2, "lea", is_accepted=True)


def test_a_notifier_is_found_by_number_address_and_pseudonym(filed: Desk):
    """In whatever letters the address is written."""
    with reading(filed.engine) as connection:
        (known,) = list_notifiers(connection)
        for name in ("1", "BRAND@example.com", known.pseudonym):
            assert find_notifier(connection, name) == known
        for name in ("2", "x@example.com", "nobody", "9" * 30):
            with pytest.raises(NotFound, match="No notifier"):
                find_notifier(connection, name)
        assert list_notifiers(connection, "consumer") == []


def test_an_erased_notifier_leaves_nothing_that_can_be_read(filed: Desk, tmp_path):
    """No address, no key, no reasons, and nothing that waits for them; what their notices led to stays."""
    filed.give_notice([filed.add_case("L1")], "brand", encrypted="x")
    filed.decide(1, Verdict.COUNTERFEIT)
    with writing(filed.engine) as connection:
        check_document(connection, 1, "lea", is_accepted=True, now=filed.pass_time())
        warn(connection, 1, "lea", "plainly unfounded", now=filed.pass_time())
        suspend(connection, 1, "lea", "it went on", now=filed.pass_time(days=8))
    with pytest.raises(Conflict, match="is suspended until"):
        erase_notifier(filed.engine, 1, "lea", now=filed.pass_time())
    with writing(filed.engine) as connection:
        lift(connection, 1, "lea", "enough", now=filed.pass_time())
    with reading(filed.engine) as connection:
        key = connection.scalars(select(notifiers.c.key)).one()
    for _ in range(2):  # called again it finishes
        erase_notifier(filed.engine, 1, "lea", now=filed.pass_time())
    with reading(filed.engine) as connection:
        (known,) = list_notifiers(connection)
        assert (known.address, known.kind) == (None, "rights holder")
        assert {step.why for step in list_steps(connection, 1)} == {None}
        assert list_documents(connection, 1)[0].reference is None
        assert verify(connection).is_intact
    assert filed.told("notifier:1") == filed.told("notice:1") == []
    assert filed.states(1) == ["upheld"]
    if filed.engine.dialect.name == "sqlite":
        content = b"".join(path.read_bytes() for path in tmp_path.glob("ipml.db*"))
        assert b"brand@example.com" not in content
        assert key.encode() not in content


def test_nothing_that_an_erased_notifier_wrote_can_be_found(desk: Desk, tmp_path: Path):
    """No column and no file holds a word of it, and what was encrypted is gone but for where unknown listings were."""
    case_id = desk.add_case("L1")
    said = {
        "explanation": f"{WORDS} Zqmeier says so.",
        "name": "Zqann",
        "email": "zqann@acme.test",
        "rights": "Zqright",
    }
    with writing(desk.engine) as connection:
        receipt = receive(connection, say("L1", "L2", **said), now=desk.pass_time())
    desk.decide(case_id, Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        warn(connection, 1, "lea", "zqwhy", now=desk.pass_time())
    with reading(desk.engine) as connection:
        key = connection.scalars(select(notifiers.c.key)).one()
    erase_notifier(desk.engine, 1, "lea", now=desk.pass_time())
    markers = ("zqmeier", "zqann", "zqright", "zqwhy", key)
    assert list(find_clear(desk.engine, markers)) == []
    with reading(desk.engine) as connection:
        row = connection.execute(select(notices)).one()
        assert (row.encrypted, row.explanation, row.key) == ("", "", None)
        assert set(connection.scalars(select(outbox.c.body).where(outbox.c.channel == "holder"))) == {""}
        (behind,) = find_notices(connection, case_id)
        assert (behind.explanation, behind.state) == (None, "upheld")
        assert [one.location is None for one in find_receipt(connection, receipt.reference).listings] == [False, True]
    match_notices(desk.engine, now=desk.pass_time())
    assert run_notice_deadlines(desk.engine, now=desk.pass_time(days=90)).not_found == 1
    assert desk.told("notice:1") == []
    if desk.engine.dialect.name == "sqlite":
        assert list(find_markers(tmp_path.glob("ipml.db*"), markers)) == []
