"""Who pointed to a listing, as the statement of reasons says."""

import json

from sqlalchemy import select
from support.notice_desk import Desk

from ipml.enforcement.penalties.ladder import restriction_of as penalty_restriction
from ipml.enforcement.penalties.penalties import get_penalty
from ipml.enforcement.restrictions import ReportSource
from ipml.enforcement.takedown.changes import restriction_of
from ipml.enforcement.takedown.measures import get_measure
from ipml.records import Verdict
from ipml.storage.database import reading
from ipml.storage.tables import outbox as messages


def payloads(desk: Desk) -> list[tuple[str, str]]:
    """Return source and detection as the transparency database gets them, in order."""
    query = select(messages.c.body).where(messages.c.channel == "transparency").order_by(messages.c.message_id)
    with reading(desk.engine) as connection:
        bodies = [json.loads(body) for body in connection.scalars(query)]
    return [(body["source_type"], body["automated_detection"]) for body in bodies]


def source_of(desk: Desk, measure_id: int = 1) -> ReportSource:
    """Return who a measure says pointed to its listing, as a statement reads it."""
    with reading(desk.engine) as connection:
        found = restriction_of(connection, get_measure(connection, measure_id))
    return ReportSource(found.source, found.is_detected)


def test_without_a_notice_the_platform_found_it_itself(desk: Desk):
    """With its model."""
    desk.decide(desk.add_case("L1"), Verdict.COUNTERFEIT)
    assert (source_of(desk), payloads(desk)) == (ReportSource(), [("SOURCE_VOLUNTARY", "Yes")])


def test_a_penalty_says_who_pointed_to_the_listing_of_its_last_strike(desk: Desk):
    """As the restriction of the account follows from that; that a model had found it is true as well."""
    desk.give_notice([desk.add_case("L1")])
    desk.decide(1, Verdict.COUNTERFEIT)
    with reading(desk.engine) as connection:
        found = penalty_restriction(connection, get_penalty(connection, 1))
    assert ReportSource(found.source, found.is_detected) == source_of(desk) == ReportSource("notice", True)
    assert payloads(desk) == [("SOURCE_ARTICLE_16", "Yes")]


def test_a_listing_that_came_with_its_notice_was_not_detected(desk: Desk):
    """The notice was there first."""
    early = desk.now
    desk.give_notice([desk.add_case("L1")], received_at=early)
    desk.decide(1, Verdict.COUNTERFEIT)
    assert (source_of(desk), payloads(desk)) == (ReportSource("notice", False), [("SOURCE_ARTICLE_16", "No")])


def test_of_several_notices_a_trusted_flagger_is_named(desk: Desk):
    """A complaint of a consumer counts least, and what came from a suspended notifier not at all."""
    desk.add_notifier("flagger", "trusted flagger")
    one, two = desk.add_case("L1"), desk.add_case("L2")
    desk.give_notice([one], "buyer", kind="complaint")
    desk.give_notice([one], "flagger")
    desk.give_notice([one, two], "brand", is_suspended=True)
    desk.give_notice([two], "buyer", kind="complaint")
    for case_id in (one, two):
        desk.decide(case_id, Verdict.COUNTERFEIT)
    assert [source_of(desk, number).source for number in (1, 2)] == ["trusted flagger", "other notification"]
    assert [source for source, _ in payloads(desk)] == ["SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION"]
