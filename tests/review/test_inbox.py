"""The inbox: of what people are told, and what is kept from them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event
from support.actions import COOPERATION, POLICY
from support.databases import on_both
from support.reviewing import Make, judge
from support.staff import CHEAP, PASSWORD
from support.transactions import act, ask

from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.second_person import withdraw_second_verdict
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.comments import add_comment
from ipml.review.worklists.inbox import MessageKind, list_messages, mark_read
from ipml.review.worklists.own_verdicts import summarise_shift
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import second_reviews
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import find_user, open_session
from ipml.web.accounts.users import add_user, find_active_user

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
STAFF = {"ana": Role.REVIEWER, "bo": Role.REVIEWER, "lea": Role.LEAD, "vera": Role.BRAND, "x.y": Role.VIEWER}
ALWAYS = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25)


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of eight cases, with people of several roles."""
    enqueue(engine, [make_scored(f"L{n}", 0.9 - n / 10, seller_id=f"s{n}") for n in range(8)], now=NOON)
    for name, role in STAFF.items():
        act(engine, add_user, name, PASSWORD, role, CHEAP)
    return engine


def read(engine: Engine, name: str) -> list[tuple[str, int, str, str]]:
    """Return kind, case, author and content of the messages of a person, the latest first."""
    return [(one.kind.value, one.case_id, one.by, one.said) for one in ask(engine, list_messages, name)]


@on_both
def test_those_whom_a_comment_names_are_told(staffed: Engine) -> None:
    """Each once; not its author, nor people of brands, and an address of mail names nobody."""
    text = "@bo, @bo and @x.y. please look, or @ana; not @vera, @nobody, @Lea or a@lea"
    comment = act(staffed, add_comment, 1, text, by="ana")
    assert {name: read(staffed, name) for name in STAFF} == {
        "ana": [],
        "bo": [("mention", 1, "", "")],
        "lea": [],
        "vera": [],
        "x.y": [("mention", 1, "", "")],
    }
    (message,) = ask(staffed, list_messages, "bo")
    assert (message.kind, message.source_id) == (MessageKind.MENTION, comment.comment_id)


@on_both
def test_people_learn_of_their_escalations(staffed: Engine) -> None:
    """Once another has decided the case, also if that is taken back; other cases tell them nothing."""
    judge(staffed, 1, Verdict.ESCALATE, "ana")
    judge(staffed, 2, Verdict.GENUINE, "lea")
    assert read(staffed, "ana") == []
    judge(staffed, 1, Verdict.COUNTERFEIT, "lea")
    assert read(staffed, "ana") == [("escalation", 1, "lea", "counterfeit")]
    act(staffed, undo, 3, UndoRequest("lea"))
    assert ask(staffed, list_messages, "ana")[0].is_taken_back
    assert read(staffed, "lea") == []


def review_again(engine: Engine, verdict: Verdict, by: str = "bo") -> int:
    """Give ordinary verdicts until a second review of ana's comes, and answer it; return its case."""
    with writing(engine) as connection:
        while (taken := claim(connection, by, settings=ALWAYS)) is not None:
            said = verdict if taken.review_id else Verdict.CANNOT_TELL
            decide(connection, DecisionRequest(taken, said), context=ReviewContext(ALWAYS))
            if taken.review_id:
                return taken.case_id
    raise AssertionError("there was no second review")


@on_both
def test_a_second_review_that_differs_is_told(staffed: Engine) -> None:
    """To the one who decided, until it is withdrawn; one that agrees is not."""
    for case_id in (1, 2):
        judge(staffed, case_id, Verdict.GENUINE, "ana", settings=ALWAYS)
    review_again(staffed, Verdict.GENUINE)
    assert read(staffed, "ana") == []
    case_id = review_again(staffed, Verdict.CANNOT_TELL)
    assert read(staffed, "ana") == [("second review", case_id, "bo", "cannot tell")]
    (message,) = ask(staffed, list_messages, "ana")
    assert message.own == "genuine"
    assert ask(staffed, summarise_shift, "ana", ALWAYS).differing == (case_id,)
    act(staffed, withdraw_second_verdict, "bo", case_id)
    assert read(staffed, "ana") == []


def test_two_persons_who_disagree(staffed: Engine) -> None:
    """The first learns that the second differs, and what was decided then is an escalation of neither."""
    settings = Settings(second_person=[{"verdict": "counterfeit"}], audit_share=0, repeat_share=0, control_share=0)
    judge(staffed, 1, Verdict.COUNTERFEIT, "ana", settings=settings)
    judge(staffed, 1, Verdict.GENUINE, "bo", settings=settings)
    assert [(one.kind, one.said, one.own) for one in ask(staffed, list_messages, "ana")] == [
        (MessageKind.SECOND_REVIEW, "genuine", "counterfeit")
    ]


@on_both
def test_people_learn_of_appeals_against_their_decisions(staffed: Engine) -> None:
    """When one is filed, and how it was decided."""
    judge(staffed, 1, Verdict.COUNTERFEIT, "ana", actions=COOPERATION)
    appeal = act(staffed, file_appeal, AppealRequest(1, "s0", "It is genuine."), POLICY.appeals)
    decision = AppealDecision("granted", "lea", "We were wrong.")
    act(staffed, decide_appeal, appeal.appeal_id, decision, AppealContext(POLICY, COOPERATION))
    assert read(staffed, "ana") == [("outcome", 1, "lea", "granted"), ("appeal", 1, "", "")]


def test_nothing_is_told_of_a_case_under_blind_review(staffed: Engine) -> None:
    """While the person has it; unread messages about it are not counted either."""
    act(staffed, add_comment, 1, "@bo it is a copy", by="ana")
    with writing(staffed) as connection:
        blind = {"case_id": 1, "kind": "audit", "wanted_at": NOON, "holder": "bo"}
        connection.execute(second_reviews.insert().values(blind))
    assert read(staffed, "bo") == []
    assert ask(staffed, find_active_user, "bo").unread == 0
    with writing(staffed) as connection:
        connection.execute(second_reviews.update().values(ended_at=NOON))
    assert len(read(staffed, "bo")) == ask(staffed, find_active_user, "bo").unread == 1


@on_both
def test_the_user_of_a_page_comes_with_the_unread(staffed: Engine) -> None:
    """In the one query that finds their session; what is read, or another's, does not count."""
    for name in ("bo", "lea", "bo"):
        act(staffed, add_comment, 1, f"@{name} look", by="ana")
    token = act(staffed, open_session, ask(staffed, find_active_user, "bo"), 12.0)
    executed: list[str] = []
    event.listen(staffed, "before_cursor_execute", lambda *arguments: executed.append(arguments[2]))
    with reading(staffed) as connection:
        executed.clear()
        user, _ = find_user(connection, token)
        assert len(executed) == 1
    assert user is not None
    assert user.unread == 2
    numbers = {name: [one.message_id for one in ask(staffed, list_messages, name)] for name in ("bo", "lea")}
    act(staffed, mark_read, "bo", [*numbers["bo"][:1], *numbers["lea"]])
    assert [one.is_read for one in ask(staffed, list_messages, "bo")] == [True, False]
    assert [ask(staffed, find_active_user, name).unread for name in ("bo", "lea")] == [1, 1]


def test_a_shift_is_summarised(staffed: Engine, make_scored: Make) -> None:
    """Verdicts against the target; control cases right, wrong and without an answer; older ones do not count."""
    enqueue(staffed, [make_scored(f"M{n}", 0.05, seller_id=f"t{n}") for n in range(80)])  # enough to draw every control
    settings = Settings(audit_share=0, repeat_share=0, control_share=0.25, shift_target=6)
    for case_id, truth in ((1, Verdict.GENUINE), (2, Verdict.COUNTERFEIT), (3, Verdict.GENUINE)):
        judge(staffed, case_id, Verdict.GENUINE, "ana", settings=settings)
        act(staffed, add_control_case, case_id, truth, "test purchase", "lea")
    answers = {1: Verdict.GENUINE, 2: Verdict.GENUINE, 3: Verdict.CANNOT_TELL}
    with writing(staffed) as connection:
        while taken := claim(connection, "bo", settings=settings):
            said = answers[taken.case_id] if taken.review_id else Verdict.GENUINE
            decide(connection, DecisionRequest(taken, said), context=ReviewContext(settings))
    shift = ask(staffed, summarise_shift, "bo", settings)
    assert shift.progress.is_reached
    assert (shift.right, shift.wrong, shift.undecided) == ((1,), (2,), (3,))
    later = datetime.now(UTC) + timedelta(days=2)
    assert ask(staffed, summarise_shift, "bo", settings, now=later).right == ()
