"""A statement of reasons is kept, told to the seller and to the public, once."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select, update
from support.databases import on_both

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind, Restriction
from ipml.enforcement.statements.facts import state
from ipml.enforcement.statements.statements import (
    find_faults,
    find_statement,
    get_statement,
    issue,
    list_statements,
    notified_at,
    read_letter,
    tell_lifted,
)
from ipml.errors import NotFound, Refused, SellerErased
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt
from ipml.storage.tables import outbox, seller_keys, statements

POLICY = load_enforcement_policy()


@on_both
def test_letter_and_payload_go_out_with_the_statement(decided: Engine, make_restriction: Callable, pseudonym: Callable):
    """An encrypted letter for the seller, a payload under the puid for the public, and a row in the audit trail."""
    with writing(decided) as connection:
        restriction = make_restriction(pseudonym=pseudonym(connection))
        statement = issue(connection, restriction, POLICY)
        assert issue(connection, restriction, POLICY) == statement == find_statement(connection, "measure:1")
        assert [one.statement for one in list_statements(connection, 1)] == [statement]
        assert len(connection.execute(select(outbox)).all()) == 2
        rows = [*connection.execute(select(statements)), *connection.execute(select(outbox))]
        kept_of_it = " ".join(map(str, [*rows, *audit.list_rows(connection, "measure:1")]))
        assert not any(text in kept_of_it for text in ("seller-1", "A7'", "1:1"))
        messages = {row.channel: row for row in connection.execute(select(outbox))}
        letter = json.loads(decrypt(connection, statement.pseudonym, messages["seller"].body))
        assert [row.action for row in audit.list_rows(connection, "measure:1")] == ["stated"]
        assert audit.verify(connection).is_intact
        kept = get_statement(connection, "measure:1")
        assert read_letter(connection, "measure:1").text == letter["text"]
    assert letter["seller_id"] == "seller-1"
    assert (messages["seller"].key[:20], messages["seller"].subject) == ("measure-1-statement-", "measure:1")
    assert (messages["transparency"].key, messages["transparency"].pseudonym) == (statement.puid, None)
    assert kept.statement == statement
    assert json.loads(messages["transparency"].body) == kept.payload
    assert find_faults(kept.payload) == ()
    assert statement.signs == ("wording", "price")


def test_a_warning_is_told_to_the_seller_only(decided: Engine, make_restriction: Callable, pseudonym: Callable):
    """It restricts nothing, so the transparency database gets nothing, and it is said why."""
    with writing(decided) as connection:
        issue(connection, make_restriction(PenaltyKind.WARN, pseudonym=pseudonym(connection)), POLICY)
        assert connection.scalars(select(outbox.c.channel)).all() == ["seller"]
        kept = get_statement(connection, "measure:1")
    assert (kept.payload, kept.why_not_stated) == (None, "a warning restricts nothing")


def test_a_seller_is_notified_when_the_letter_was_delivered(decided, make_restriction, pseudonym):
    """Neither the moment of the decision nor that of a failed try counts."""
    with writing(decided) as connection:
        restriction = make_restriction(pseudonym=pseudonym(connection))
        statement = issue(connection, restriction, POLICY)
        assert notified_at(connection, statement) is None
        later = restriction.since + timedelta(hours=3)
        letter = update(outbox).where(outbox.c.channel == "seller")
        connection.execute(letter.values(state="dead", settled_at=later))
        assert notified_at(connection, statement) is None
        connection.execute(letter.values(state="delivered", settled_at=later))
        assert notified_at(connection, statement) == later


def test_the_end_is_told_once_and_only_to_who_was_told_of_the_beginning(decided, make_restriction, pseudonym):
    """The second letter names the first one's reference, and repeats no note that people made for themselves."""
    with writing(decided) as connection:
        restriction = make_restriction(pseudonym=pseudonym(connection))
        assert not tell_lifted(connection, restriction, "review", restriction.since, POLICY)
        statement = issue(connection, restriction, POLICY)
        note = "the seller called ana names"
        assert [tell_lifted(connection, restriction, note, restriction.since, POLICY) for _ in range(2)] == [
            True,
            False,
        ]
        (row,) = connection.execute(select(outbox).where(outbox.c.kind == "lifted")).all()
        letter = json.loads(decrypt(connection, statement.pseudonym, row.body))
    assert statement.puid in letter["text"]
    assert note not in letter["text"]
    assert row.subject == "measure:1"  # so it does not overtake the first letter


def test_what_was_kept_of_an_erased_seller_cannot_be_read(decided, make_restriction, pseudonym):
    """The facts, which name nobody, stay; the letter is gone, and no further one is written."""
    with writing(decided) as connection:
        restriction = make_restriction(pseudonym=pseudonym(connection))
        statement = issue(connection, restriction, POLICY)
        connection.execute(delete(seller_keys))
        assert find_statement(connection, "measure:1") == statement
        assert not tell_lifted(connection, restriction, "review", restriction.since, POLICY)
        with pytest.raises(SellerErased):
            read_letter(connection, "measure:1")


def test_a_letter_can_be_read_in_another_language(decided: Engine, make_restriction: Callable, pseudonym: Callable):
    """It is written anew from the facts that were kept."""
    with writing(decided) as connection:
        issue(connection, make_restriction(pseudonym=pseudonym(connection), country="DE"), POLICY)
        sent = read_letter(connection, "measure:1")
        assert read_letter(connection, "measure:1", POLICY.statements, "de") == sent
        assert "removed" in read_letter(connection, "measure:1", POLICY.statements, "en").text
    assert "entfernt" in sent.text


def test_every_kind_can_be_issued(decided: Engine, make_restriction: Callable, pseudonym: Callable):
    """No kind of measure or penalty is without its words."""
    with writing(decided) as connection:
        for number, kind in enumerate((*MeasureKind, *PenaltyKind)):
            restriction: Restriction = make_restriction(
                kind, subject=f"x:{number}", pseudonym=pseudonym(connection), until=None
            )
            issue(connection, restriction, POLICY)
        assert len(list_statements(connection, 1)) == 11


def test_what_cannot_be_stated_or_found_says_so(engine: Engine, make_restriction: Callable):
    """A restriction on no ground, for which there are no words; a subject without a statement."""
    restriction = make_restriction(ground="")
    with pytest.raises(Refused, match="ground"):
        state(restriction, POLICY.statements, puid="-", at=restriction.since)
    with reading(engine) as connection, pytest.raises(NotFound, match="measure:9"):
        get_statement(connection, "measure:9")
