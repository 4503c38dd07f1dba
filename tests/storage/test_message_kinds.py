"""Every message has one documented shape, and whatever is put into the outbox fits it."""

import json
import warnings
from datetime import UTC, datetime
from typing import get_args

import pytest
from sqlalchemy import Engine
from support.transactions import read_with, write_with

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.storage import outbox
from ipml.storage.message_kinds import (
    MESSAGES,
    TRANSPARENCY,
    MeasureInForce,
    PenaltyBody,
    PenaltyEndBody,
    UndocumentedMessage,
    find_fault,
    read_examples,
)

PENALTY = {"penalty": 1, "kind": "warn", "seller_id": "s", "at": "2026-05-01T12:00:00+00:00", "because": "over"}
LAST = {"key": "penalty-1-lifted", "channel": "platform", "kind": "penalty_lifted", "subject": "penalty:1"}


def put(engine: Engine, body: dict[str, object], **more: str) -> None:
    """Put down that a penalty has ended."""
    write_with(engine, outbox.put, **LAST | more, body=body, pseudonym=None, now=datetime(2026, 5, 1, tzinfo=UTC))


def test_every_message_has_an_example_that_fits_it():
    """One for each kind and channel, and none of a message that is gone."""
    examples = {(kind, channel): one for kind, sent in read_examples().items() for channel, one in sent.items()}
    assert examples.keys() - MESSAGES.keys() == {("statement", TRANSPARENCY)}
    for name, shape in MESSAGES.items():
        assert examples[name]["type"] == shape.type
        assert examples[name]["version"] == shape.version
        assert find_fault(*name, json.dumps(examples[name]["data"])) is None


def test_every_field_is_described():
    """A receiver need not guess; and the published schema lets a later release add fields."""
    for shape in MESSAGES.values():
        schema = shape.body.model_json_schema()
        for described in (schema, *schema.get("$defs", {}).values()):
            assert described["description"]
            assert [name for name, field in described["properties"].items() if not field.get("description")] == []
            assert "additionalProperties" not in described


def test_the_kinds_of_measures_and_penalties_are_those_there_are():
    """The documented words are the words of the code."""
    assert get_args(MeasureInForce.model_fields["kind"].annotation) == tuple(MeasureKind)
    for body in (PenaltyBody, PenaltyEndBody):
        assert get_args(body.model_fields["kind"].annotation) == tuple(PenaltyKind)


def test_a_body_that_is_not_as_documented_is_told_of(engine: Engine):
    """A wrong value, another type and a field that nobody documented; but what was decided is sent nevertheless."""
    faults = {
        "because: Input should be": {"because": "tired"},
        "at: Input should be a valid datetime": {"at": "yesterday"},
        "penalty: Input should be a valid integer": {"penalty": "1"},
        "more: Extra inputs": {"more": 1},
    }
    for number, (fault, change) in enumerate(faults.items()):
        with pytest.warns(UndocumentedMessage, match=f"penalty-{number}-lifted, penalty_lifted: {fault}"):
            put(engine, PENALTY | change, key=f"penalty-{number}-lifted")
        assert read_with(engine, outbox.find_message, f"penalty-{number}-lifted")


def test_a_fault_says_nothing_of_what_was_found():
    """A warning is logged: what a message tells of people does not belong there."""
    assert "secret" not in str(find_fault("penalty_lifted", "platform", json.dumps(PENALTY | {"kind": "secret"})))


def test_a_message_keeps_the_version_in_which_it_was_written(engine: Engine):
    """So that one which waits while ipml is upgraded says what it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        put(engine, PENALTY)
    message = read_with(engine, outbox.find_message, LAST["key"])
    assert message.version == MESSAGES["penalty_lifted", "platform"].version
