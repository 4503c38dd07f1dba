"""A statement of reasons is kept, and told once to seller and public; the check names every fault by its field."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select, update
from support.databases import on_both
from support.transactions import ask, read_rows
from support.transparency_receiver import open_receiver

from experiments.enforcement.judge import judge
from experiments.enforcement.mutations import MUTATIONS
from experiments.enforcement.statements import measure
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import PenaltyKind
from ipml.enforcement.statements import submission
from ipml.enforcement.statements.facts import state
from ipml.enforcement.statements.letter import write_payload
from ipml.enforcement.statements.statements import (
    BATCH_LIMIT,
    find_faults,
    find_notified,
    find_statement,
    get_statement,
    issue,
    known_fields,
    list_statements,
    read_letter,
    tell_lifted,
)
from ipml.enforcement.statements.submission import check_file
from ipml.errors import NotFound, Refused, SellerErased, UnusableSetting
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Draft, put_all
from ipml.storage.pseudonyms import decrypt
from ipml.storage.tables import outbox, seller_keys, statements

POLICY = load_enforcement_policy()


@on_both
def test_letter_and_payload_go_out_with_the_statement(decided, make_restriction, pseudonym):
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


def test_a_warning_is_told_to_the_seller_only(decided, make_restriction, pseudonym):
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
        assert find_notified(connection, [statement.subject]) == {}
        later = restriction.since + timedelta(hours=3)
        letter = update(outbox).where(outbox.c.channel == "seller")
        connection.execute(letter.values(state="dead", settled_at=later))
        assert find_notified(connection, [statement.subject]) == {}
        connection.execute(letter.values(state="delivered", settled_at=later))
        assert find_notified(connection, [statement.subject]) == {statement.subject: later}


def test_the_end_is_told_once_and_only_to_who_was_told_of_the_beginning(decided, make_restriction, pseudonym):
    """The second letter names the first one's reference, and repeats no note that people made for themselves."""
    with writing(decided) as connection:
        restriction = make_restriction(pseudonym=pseudonym(connection))
        assert not tell_lifted(connection, restriction, "review", restriction.since, POLICY)
        statement = issue(connection, restriction, POLICY)
        note = "the seller called ana names"
        expected = [True, False]
        assert [tell_lifted(connection, restriction, note, restriction.since, POLICY) for _ in range(2)] == expected
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


def test_a_letter_can_be_read_in_another_language(decided, make_restriction, pseudonym):
    """It is written anew from the facts that were kept."""
    with writing(decided) as connection:
        issue(connection, make_restriction(pseudonym=pseudonym(connection), country="DE"), POLICY)
        sent = read_letter(connection, "measure:1")
        assert read_letter(connection, "measure:1", POLICY.statements, "de") == sent
        assert "removed" in read_letter(connection, "measure:1", POLICY.statements, "en").text
    assert "entfernt" in sent.text


def test_what_cannot_be_stated_or_found_says_so(engine, make_restriction):
    """A restriction on no ground, for which there are no words; a subject without a statement."""
    restriction = make_restriction(ground="")
    with pytest.raises(Refused, match="ground"):
        state(restriction, POLICY.statements, puid="-")
    with reading(engine) as connection, pytest.raises(NotFound, match="measure:9"):
        get_statement(connection, "measure:9")


NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
RULES = load_enforcement_policy().statements
TOKEN = "1|secret"


@pytest.fixture
def receiver():
    """Give a transparency database on loopback."""
    with open_receiver() as receiver:
        yield receiver


@pytest.fixture
def wait(engine, make_restriction):
    """Return a function that lets so many statements wait, named p0, p1, …"""

    def fill(count):
        with writing(engine) as connection:
            for number in range(count):
                statement = state(make_restriction(), RULES, puid=f"p{number}")
                body = write_payload(statement)
                assert body is not None
                where = {"channel": "transparency", "kind": "statement", "subject": f"transparency:{number}"}
                put_all(connection, [Draft(key=f"p{number}", body=body, pseudonym=None, now=NOON, **where)])

    return fill


def send(engine, receiver, *, token=TOKEN, minutes=0, **options):
    """Send what waits, so many minutes after noon."""
    with submission.open_client() as client:
        post = submission.post_to(receiver.url, token, client)
        return submission.send_waiting(engine, post, now=NOON + timedelta(minutes=minutes), **options)


def states(engine):
    """Return the state of each message by its key."""
    return {row.key: row.state for row in read_rows(engine, select(outbox))}


@on_both
def test_batches_hold_a_hundred(engine, receiver, wait):
    """Of 150 statements each reaches the database once, in two requests, and a second sending finds none."""
    wait(150)
    assert send(engine, receiver) == submission.Sent(delivered=150)
    assert (receiver.batches, len(receiver.taken)) == ([100, 50], 150)
    assert send(engine, receiver) == submission.Sent()
    assert ask(engine, submission.count_waiting) == 0


def test_one_that_is_refused_holds_up_no_other(engine, receiver, wait):
    """It lies there as dead with the field at fault, the others are taken."""
    wait(30)
    receiver.refused = {"p3", "p20"}
    sent = send(engine, receiver)
    assert (sent.delivered, sent.dead, sent.waiting) == (28, 2, 0)
    assert {key for key, state in states(engine).items() if state == "dead"} == {"p3", "p20"}
    assert len(receiver.taken) == 28
    assert ask(engine, Connection.scalar, select(outbox.c.last_error).where(outbox.c.key == "p3")) == (
        "decision_facts: is not wanted"
    )


def test_one_that_is_refused_is_found_by_halves_where_the_answer_does_not_name_it(engine, receiver, wait):
    """A database that only says no gets smaller and smaller batches."""
    wait(16)
    receiver.refused, receiver.is_vague = {"p5"}, True
    sent = send(engine, receiver)
    assert (sent.delivered, sent.dead) == (15, 1)
    assert states(engine)["p5"] == "dead"


@pytest.mark.parametrize("failure", ["before", "busy", "redirect"])
def test_an_outage_is_no_fault_of_a_statement(failure, engine, receiver, wait):
    """They wait, first a minute and then longer, with the reason; a redirection is not followed."""
    wait(3)
    receiver.failures = [failure] * 2
    assert send(engine, receiver).waiting == 3
    assert send(engine, receiver, minutes=0.5) == submission.Sent()  # not due yet
    assert send(engine, receiver, minutes=1).waiting == 3
    assert send(engine, receiver, minutes=2.5) == submission.Sent()
    assert send(engine, receiver, minutes=3).delivered == 3


def test_a_wrong_token_loses_nothing(engine, receiver, wait):
    """All wait on, and the answer is told."""
    wait(2)
    sent = send(engine, receiver, token="wrong")
    assert (sent.waiting, sent.words) == (2, "401: Unauthenticated.")


@on_both
def test_whoever_comes_too_late_settles_nothing(engine, wait):
    """After ten minutes another sender has them in hand, and the first one's word no longer counts."""
    wait(2)
    first = submission.take_batch(engine, now=NOON)
    assert first
    assert submission.take_batch(engine, now=NOON) is None
    second = submission.take_batch(engine, now=NOON + timedelta(minutes=10))
    assert second
    submission.settle_batch(
        engine, first, submission.deliver(first.payloads, lambda batch: submission.DatabaseAnswer(422)), now=NOON
    )
    assert set(states(engine).values()) == {"waiting"}
    submission.settle_batch(
        engine, second, submission.deliver(second.payloads, lambda batch: submission.DatabaseAnswer(201)), now=NOON
    )
    assert set(states(engine).values()) == {"delivered"}


def test_through_a_database_that_fails_before_and_after_all_arrive_once(engine, receiver, wait):
    """A fifth of the requests fail before the statements were taken, a fifth after; in the end each is there once."""
    wait(60)
    rng = random.Random(6)
    receiver.failures = rng.choices(["before", "after", ""], weights=[20, 20, 60], k=400)
    minutes = 0.0
    while "waiting" in states(engine).values():
        send(engine, receiver, minutes=minutes, most=7)
        minutes += 61
    assert sorted(receiver.taken) == sorted(f"p{number}" for number in range(60))
    assert set(states(engine).values()) == {"delivered"}


def test_any_answer_is_read():
    """What makes no sense names no statement and no puid; the place of a statement may be written in two ways."""
    listed = b'{"errors": {"existing_puids": 7, "statement_x": 1}}'
    for body in (b"", b"[]", b"null", b"<html>", b'{"errors": 7}', listed, b"[" * 9**4):
        answer = submission.read_answer(422, body)
        assert (dict(answer.refused), answer.known) == ({}, frozenset()), body
    body = b'{"errors": {"statements.2.puid": ["bad"], "statement_4": {"category": ["no"]}, "statements.2.x": "y"}}'
    assert submission.read_answer(422, body).refused == {2: "puid: bad; x: y", 4: "category: no"}


def test_the_token_is_not_shown_on_the_way(tmp_path):
    """Over plain http it goes to this machine only; an empty file, or none, is told by the name of the setting."""
    with submission.open_client() as client, pytest.raises(UnusableSetting, match="https"):
        submission.post_to("http://transparency.example/api", TOKEN, client)
    (tmp_path / "token").write_text("\n", encoding="ascii")
    for name in ("token", "none"):
        with pytest.raises(UnusableSetting, match="transparency_token"):
            submission.read_token(tmp_path / name)


GOOD = {
    **{"decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"], "content_type": ["CONTENT_TYPE_PRODUCT"]},
    **{"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT", "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED"},
    **{
        "illegal_content_legal_ground": "a law",
        "illegal_content_explanation": "why",
        "source_type": "SOURCE_VOLUNTARY",
    },
    "category": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    **{"content_date": "2026-05-01", "application_date": "2026-05-03", "decision_facts": "what was found"},
    **{"automated_detection": "Yes", "puid": "abc-123_X"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_a_good_statement_has_no_fault():
    """Nor has one with every optional field in its place, or with null where nothing is said."""
    optional = {
        **{"territorial_scope": ["DE", "FR"], "category_addition": ["STATEMENT_CATEGORY_SCAMS_AND_FRAUD"]},
        **{"category_specification": ["KEYWORD_OTHER"], "category_specification_other": "x", "decision_monetary": None},
        **{"content_id": {"EAN-13": "4006381333931"}, "end_date_visibility_restriction": "2038-01-01"},
        "account_type": "ACCOUNT_TYPE_BUSINESS",
    }
    assert (find_faults(GOOD), find_faults(GOOD | optional)) == ((), ())


def test_a_spoilt_statement_is_refused_by_the_name_of_its_field():
    """Every mutation is found, by the second check as well; what the rules only imply is named alone."""
    for name, spoil in MUTATIONS.items():
        spoilt, wanted = spoil(GOOD)
        assert wanted in {fault.field.partition(".")[0] for fault in find_faults(spoilt)}, name
        assert judge(spoilt), name
    implied = {
        **{"colour": "red", "content_type_other": "shoes", "category_specification_other": "shoes"},
        **{"end_date_account_restriction": "2027-01-01", "territorial_scope": ["Germany"], "content_id": "4006381333"},
        **{"decision_facts": "   ", "incompatible_content_illegal": "Yes", "content_date": "٢٠٢٦-٠٥-٠١"},
    }
    faults = {name: [fault.field for fault in find_faults(GOOD | {name: value})] for name, value in implied.items()}
    assert faults == {name: [name] for name in implied}
    assert [fault.field for fault in find_faults(GOOD | {"content_id": {"ISBN": "1"}})] == ["content_id.ISBN"]


@given(JSON | st.dictionaries(st.sampled_from(sorted(known_fields())), JSON, max_size=6))
def test_any_json_is_judged_and_none_raises(content):
    """Whatever comes is answered with faults, each a line of words."""
    if isinstance(content, dict):
        content = GOOD | content
    assert all(str(fault) for fault in find_faults(content))


def test_a_file_is_checked_line_by_line(tmp_path):
    """Faults say where they are; batches may hold a hundred; a puid is given once."""
    batch = {"statements": [GOOD | {"puid": f"p{number}"} for number in range(BATCH_LIMIT + 1)]}
    lines = [GOOD, GOOD | {"category": "SHOES", "puid": "q"}, batch, GOOD]
    path = tmp_path / "statements.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), "{", "[1]"]), encoding="utf-8")
    count, faults = check_file(path)
    assert count == 1 + 1 + BATCH_LIMIT + 1 + 1 + 1
    expected = ["line 2, category", "line 3", "line 4, puid", "line 5", "line 6, statement"]
    assert [fault.partition(":")[0] for fault in faults] == expected


def test_random_statements_hold_and_tell_of_nobody():
    """Both checks accept all, and refuse each in more than 50 ways; the scanner finds sellers in letters only."""
    n_listings, n_spoilt = 150, 5
    found = measure(n_listings, seed=1, n_spoilt=n_spoilt)
    assert found.stated == found.accepted == found.accepted_by_judge == n_listings
    assert found.told_of == 0
    assert found.in_letters == found.in_titles > n_listings / 20
    assert found.in_listings > n_listings / 5
    assert len(MUTATIONS) >= 50
    assert found.spoilt == found.refused == found.refused_by_judge == n_spoilt * len(MUTATIONS)
