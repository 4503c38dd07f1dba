"""Message kinds: the type, version, recipient, occasion, content and example of every message that ipml sends.

`MESSAGES` is the source of the OpenAPI document's `webhooks`, the page on webhooks, `ipml outbox test` and the check
of outgoing messages. Fields may be added within a version, since receivers ignore unknown ones; other changes need a
new version. `docs/make_message_examples.py` writes `message_examples.json` from the code's own output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

PLATFORM, SELLER, HOLDER, TRANSPARENCY = "platform", "seller", "holder", "transparency"

RECEIVERS: Mapping[str, str] = {
    PLATFORM: "the platform",
    SELLER: "the seller",
    HOLDER: "the rights holder or another notifier",
    TRANSPARENCY: "the transparency database",
}
"""Recipient of each channel."""


def _allow_more(schema: dict[str, Any]) -> None:
    """Omit "no further fields" from the published schema: a later release may add some."""
    schema.pop("additionalProperties", None)


class MessageBody(BaseModel):
    """Content of a message, in its field `data`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_allow_more, defer_build=True)


class MeasureInForce(MessageBody):
    """A measure in force on a listing."""

    measure: str = Field(description="the measure, such as measure:12")
    kind: Literal["label", "demote", "pause", "price-hold", "remove-in", "remove"] = Field(
        description="what is done to the listing, the mildest first"
    )
    territories: list[str] = Field(description="where it holds, as country codes (ISO 3166-1); empty: everywhere")
    until: AwareDatetime | None = Field(description="when it ends by itself; null: not before it is lifted")


class MeasureBody(MessageBody):
    """Measures in force on a listing; apply `in_force`, whatever was applied before."""

    change: Literal["imposed", "lifted"] = Field(description="what happened to `measure`")
    measure: str = Field(description="the measure that changed, such as measure:12")
    listing_id: str = Field(description="the listing, as the platform names it")
    seller_id: str = Field(description="its seller when it was decided on, as the platform names them")
    ground: str = Field(description="why the listing was found counterfeit: a ground of a decision")
    at: AwareDatetime = Field(description="when it was decided")
    in_force: list[MeasureInForce] = Field(
        description="all that holds on the listing from now on, under any seller; empty: put it back"
    )


class HolderMeasureBody(MessageBody):
    """Measures in force on a listing under a brand, for its rights holder."""

    brand: str = Field(description="the brand that the listing names")
    listing_id: str = Field(description="the listing, as the platform names it")
    ground: str = Field(description="why the listing was found counterfeit: a ground of a decision")
    at: AwareDatetime = Field(description="when it was decided")
    in_force: list[MeasureInForce] = Field(description="all that holds on the listing from now on; empty: it is back")


class BuyersBody(MessageBody):
    """Information for the buyers of a listing."""

    listing_id: str = Field(description="the listing, as the platform names it")
    seller_id: str = Field(description="its seller, as the platform names them")
    finding: Literal["counterfeit", "not counterfeit"] = Field(
        description="what was found; not counterfeit: the earlier information was a mistake"
    )
    ground: str = Field(description="why the listing was found counterfeit: a ground of a decision")
    at: AwareDatetime = Field(description="when it was decided")
    bought_since: AwareDatetime | None = Field(
        None, description="inform those who bought it since then; left out where a mistake is corrected"
    )


class LetterBody(MessageBody):
    """A letter to a seller, to be passed on unchanged."""

    seller_id: str | None = Field(description="the seller, as the platform names them")
    reference: str = Field(description="by which the seller can ask: of a statement of reasons, or such as appeal:3")
    language: str = Field(description="of the letter: de, en, es, fr or zh")
    subject: str = Field(description="the letter's subject line")
    text: str = Field(description="the letter, plain text")
    page: str | None = Field(None, description="signed address of the seller's page, where it is open; also in `text`")


class ConcernedListing(MessageBody):
    """The listing of a counter-notice."""

    id: str = Field(description="the listing, as the platform names it")
    title: str = Field(description="its title; written by the seller")


class CounterNoticeBody(MessageBody):
    """A seller's answer to a notice. The legal terms decide how much of it the rights holder receives."""

    reference: str = Field(description="the counter-notice, such as appeal:2")
    kind: Literal["counter-notice"] = Field(description="always the same")
    rules: str = Field(description="title of the legal terms that apply")
    term: str = Field(description="how long the rights holder has to answer, in words")
    counts_from: Literal["notified", "filed", "passed on"] = Field(description="from when that counts")
    listing: ConcernedListing | None = Field(None, description="the listing, where it may be passed on")
    brand: str | None = Field(None, description="the brand, where it may be passed on")
    statement: str | None = Field(None, description="what the seller wrote, where it may be passed on")
    to: str | None = Field(None, description="address of the notifier; left out for the brand's own rights holder")
    notices: list[str] | None = Field(None, description="references of the notifier's notices that this answers")


class PenaltyBody(MessageBody):
    """A penalty imposed on a seller."""

    penalty: int = Field(description="number of the penalty")
    kind: Literal["warn", "limit", "hold payout", "suspend", "close"] = Field(
        description="what is done to the seller, the mildest first"
    )
    seller_id: str | None = Field(description="the seller, as the platform names them; null where they were erased")
    at: AwareDatetime = Field(description="when it was decided")
    do: str = Field(description="what the platform does, in words of the policy")
    until: AwareDatetime | None = Field(description="when it ends; null: not before it is lifted")


class PenaltyEndBody(MessageBody):
    """A penalty that has ended."""

    penalty: int = Field(description="number of the penalty")
    kind: Literal["warn", "limit", "hold payout", "suspend", "close"] = Field(description="what was done to the seller")
    seller_id: str | None = Field(description="the seller, as the platform names them; null where they were erased")
    at: AwareDatetime = Field(description="when it was decided")
    because: Literal["taken back", "lifted", "dismissed", "over"] = Field(description="how it ended")


ItemState = Literal["unknown", "waiting", "upheld", "rejected", "undecided", "not found", "repeated"]


class ListedInReceipt(MessageBody):
    """State of a listing in a notice."""

    position: int = Field(description="place of the listing in the notice, from 1")
    state: ItemState = Field(description="how it stands, for machines")
    outcome: str = Field(description="the same in words")
    is_repeated: bool = Field(description="whether the same notifier gave notice of it before")
    settled_at: AwareDatetime | None = Field(description="when it was decided; null while it waits")


class NoticeReceiptBody(MessageBody):
    """The receipt of a notice or complaint."""

    to: str = Field(description="address of the notifier")
    name: str | None = Field(description="name of who gave notice, as they wrote it")
    language: str | None = Field(description="language they asked to be answered in")
    reference: str = Field(description="by which to ask how it stands: GET /v1/notices/{reference}")
    received_at: AwareDatetime = Field(description="when the notice came")
    settled_at: AwareDatetime | None = Field(description="when its last listing was decided; null while one waits")
    is_suspended: bool = Field(description="whether it is only stored, as the notifier is suspended")
    says: str = Field(description="what happens next, in words")
    listings: list[ListedInReceipt] = Field(description="its listings, in their order")
    page: str | None = Field(None, description="address of the notice's page, where it is open; for the notifier only")


class ListedInOutcome(MessageBody):
    """Decision on a listing in a notice."""

    position: int = Field(description="place of the listing in the notice, from 1")
    outcome: ItemState = Field(description="how it stands, for machines")
    words: str = Field(description="the same in words")
    how: str | None = Field(description="by whom or what it was decided, in words; null where it was not")


class NoticeOutcomeBody(MessageBody):
    """Outcome of a notice or complaint."""

    to: str = Field(description="address of the notifier")
    reference: str = Field(description="of the notice, as its receipt names it")
    at: AwareDatetime = Field(description="when it was decided")
    is_settled: bool = Field(description="whether all its listings are decided")
    listings: list[ListedInOutcome] = Field(description="its listings, in their order")
    processing: str = Field(description="what was done by computer, as the law requires")
    redress: str = Field(description="where to turn if one disagrees")
    page: str | None = Field(None, description="address of the notice's page, where it is open; for the notifier only")


class NotifierStepBody(MessageBody):
    """A step against a notifier's misuse of notices."""

    to: str = Field(description="address of the notifier")
    words: str = Field(description="what it means, in words")
    why: str = Field(description="the reasons of who decided")
    until: AwareDatetime | None = Field(description="until when it holds; null where nothing holds any more")
    redress: str = Field(description="where to turn if one disagrees")


class RightsDocumentBody(MessageBody):
    """Result of the check of a document that shows the right to a brand."""

    to: str = Field(description="address of the notifier")
    brand: str = Field(description="the brand")
    is_accepted: bool = Field(description="whether the document shows the right")
    words: str = Field(description="the same in words, and what to do")


@dataclass(frozen=True, slots=True)
class MessageShape:
    """Documented shape of one kind of message to one channel; `meaning` and `when` are sentences."""

    kind: str
    channel: str
    meaning: str
    when: str
    body: type[MessageBody]
    version: int = 1

    @property
    def type(self) -> str:
        """Field `type` of the message."""
        return f"ipml.{self.kind}"


_IN_FORCE = "Measures are in force on a listing; `in_force` is all that holds from now on."
_PUT_BACK = "No measure is in force on a listing any more: put it back."
_STEP = "When a lead or an administrator decides so."
_SHAPES = (
    MessageShape(
        "measure",
        PLATFORM,
        _IN_FORCE,
        "Each time a measure is imposed or lifted, or replaced by another, and one is in force afterwards.",
        MeasureBody,
    ),
    MessageShape(
        "measure",
        HOLDER,
        _IN_FORCE,
        "With the message to the platform, where the listing names a brand and the policy notifies rights holders of "
        "the measure, and whenever that changes.",
        HolderMeasureBody,
    ),
    MessageShape(
        "reinstatement", PLATFORM, _PUT_BACK, "When the last measure on a listing is lifted or has ended.", MeasureBody
    ),
    MessageShape(
        "reinstatement",
        HOLDER,
        _PUT_BACK,
        "With the message to the platform, where the rights holder was notified of a measure.",
        HolderMeasureBody,
    ),
    MessageShape(
        "buyers",
        PLATFORM,
        "Inform those who bought a listing of the finding, or that the finding was a mistake.",
        "Some hours after the first measure on a listing that was sold, as the policy says, even if the measure is "
        "lifted; and when no finding against the listing is left after it may have been sent.",
        BuyersBody,
    ),
    MessageShape(
        "statement",
        SELLER,
        "A statement of reasons: the letter to the seller.",
        "With each measure and each penalty.",
        LetterBody,
    ),
    MessageShape(
        "lifted",
        SELLER,
        "Informs the seller that a restriction has ended, or that the decision behind it was reversed.",
        "When a measure or penalty of which the seller was notified ends, and when the decision on a listing is "
        "reversed whose measures have all ended.",
        LetterBody,
    ),
    MessageShape(
        "appeal",
        SELLER,
        "Answers an appeal: a receipt, or its outcome with reasons.",
        "When an appeal is filed, decided or withdrawn.",
        LetterBody,
    ),
    MessageShape(
        "counter_notice",
        HOLDER,
        "Passes a seller's counter-notice on to the rights holder, with the deadline to answer.",
        "When a counter-notice is filed that the legal terms pass on.",
        CounterNoticeBody,
    ),
    MessageShape(
        "penalty",
        PLATFORM,
        "A penalty is in force on a seller; `do` says what the platform does.",
        "When a penalty is imposed, or one that was proposed is confirmed.",
        PenaltyBody,
    ),
    MessageShape(
        "penalty_lifted",
        PLATFORM,
        "A penalty has ended; undo what it did.",
        "When a penalty is lifted, taken back or over.",
        PenaltyEndBody,
    ),
    MessageShape(
        "notice_receipt",
        HOLDER,
        "Confirms a notice or complaint, with the reference by which to ask how it stands.",
        "At once, when a notice or complaint comes.",
        NoticeReceiptBody,
    ),
    MessageShape(
        "notice_outcome",
        HOLDER,
        "Says what was decided on every listing of a notice.",
        "When the last listing of a notice is decided.",
        NoticeOutcomeBody,
    ),
    MessageShape(
        "notice_correction",
        HOLDER,
        "Corrects an outcome that was sent before.",
        "When a decision on a listing of a notice is taken back or made anew, after its outcome may have been sent.",
        NoticeOutcomeBody,
    ),
    MessageShape("notifier_warning", HOLDER, "Warns a notifier of misuse.", _STEP, NotifierStepBody),
    MessageShape(
        "notifier_suspension",
        HOLDER,
        "Informs a notifier that their notices are not processed for a time.",
        _STEP,
        NotifierStepBody,
    ),
    MessageShape("notifier_lift", HOLDER, "Informs a notifier that a suspension has ended.", _STEP, NotifierStepBody),
    MessageShape(
        "rights_document",
        HOLDER,
        "Says whether the document of a right to a brand was accepted.",
        "When a lead has looked at the document.",
        RightsDocumentBody,
    ),
)

MESSAGES: Mapping[tuple[str, str], MessageShape] = MappingProxyType({(one.kind, one.channel): one for one in _SHAPES})
"""Every message by kind and channel, except submissions to the transparency database, which has its own rules."""

MESSAGE_KINDS = frozenset(kind for kind, _ in MESSAGES)
"""Kinds of messages, the last part of a type such as "ipml.penalty_lifted"."""


class UndocumentedMessage(UserWarning):
    """A message does not fit its documented shape. It is sent nevertheless, because it reports a decision."""


def get_version(kind: str, channel: str) -> int:
    """Return the current version of a message."""
    return MESSAGES[kind, channel].version if (kind, channel) in MESSAGES else 1


def find_fault(kind: str, channel: str, text: str) -> str | None:
    """Return how a JSON body differs from its documented shape, without its content; None if it fits.

    >>> find_fault("penalty_lifted", "platform", '{"penalty": 1}')
    'kind: Field required'
    >>> find_fault("penalty", "holder", "{}")
    'there is no such message to holder'
    """
    if channel == TRANSPARENCY:
        return None
    if (kind, channel) not in MESSAGES:
        return f"there is no such message to {channel}"
    try:
        MESSAGES[kind, channel].body.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None


ENVELOPE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "type": ({"type": "string"}, "`ipml.` and the kind of message."),
    "version": ({"type": "integer"}, "Version of `data`: within one, fields may be added, and nothing else changes."),
    "timestamp": (
        {"type": "string", "format": "date-time"},
        "When the message was written, ISO 8601 in UTC; the same at every attempt.",
    ),
    "key": (
        {"type": "string"},
        "Identifies the message for ever, as the header `webhook-id` does: the same key again is the same message.",
    ),
    "channel": (
        {"type": "string"},
        "To whom it goes: `platform`, `seller` or `holder` (rights holders and other notifiers).",
    ),
    "subject": (
        {"type": "string"},
        "What it is about, such as `measure:12`. Messages of one subject are delivered in order.",
    ),
    "is_test": (
        {"type": "boolean", "const": True},
        "True in what `ipml outbox test` sends: answer it, and do nothing. Every other message lacks this field.",
    ),
    "data": ({"type": "object"}, "What it says, by kind; see below."),
}
"""The fields around every body: JSON Schema and meaning."""


def describe_envelope(shape: MessageShape, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a whole message, given the schema of its body."""
    properties = {name: {**schema, "description": meaning} for name, (schema, meaning) in ENVELOPE.items()}
    fixed = {"type": shape.type, "version": shape.version, "channel": shape.channel}
    for name, value in fixed.items():
        properties[name]["const"] = value
    required = [name for name in ENVELOPE if name != "is_test"]
    return {"type": "object", "properties": {**properties, "data": dict(data)}, "required": required}


EXAMPLES_FILE = Path(__file__).with_name("message_examples.json")


@cache
def read_examples() -> Mapping[str, Mapping[str, Any]]:
    """Return an example of a whole message for each kind and channel."""
    examples: Mapping[str, Mapping[str, Any]] = json.loads(EXAMPLES_FILE.read_text("utf-8"))
    return examples
