"""The page on outgoing messages: what each kind means, how it is signed, what an answer does, and examples."""

from __future__ import annotations

from collections.abc import Mapping

from message_examples import make_examples
from reference_text import as_code, link, write_json, write_page, write_table

from ipml.storage.outbox import MESSAGE_KINDS

MEANINGS: Mapping[str, tuple[str, str]] = {
    "measure": ("platform, holder", "Measures are in force on a listing; `in_force` is all that holds from now on."),
    "reinstatement": ("platform, holder", "No measure is in force on a listing any more: put it back."),
    "buyers": ("platform", "Tell those who bought a listing what was found, or that the finding was a mistake."),
    "statement": ("seller, transparency", "A statement of reasons: the letter to the seller, or its public record."),
    "lifted": ("seller", "Tells the seller that a restriction has ended."),
    "appeal": ("seller", "Answers an appeal: a receipt, or its outcome with reasons."),
    "counter_notice": (
        "holder",
        "Passes a seller's counter-notice on to the rights holder, with the deadline to answer.",
    ),
    "penalty": ("platform", "A penalty is in force on a seller; `do` says what the platform does."),
    "penalty_lifted": ("platform", "A penalty has ended; undo what it did."),
    "notice_receipt": ("holder", "Confirms a notice or complaint, with the reference by which to ask how it stands."),
    "notice_outcome": ("holder", "Says what was decided on every listing of a notice."),
    "notice_correction": ("holder", "Corrects an outcome that was told before."),
    "notifier_warning": ("holder", "Warns a notifier of misuse."),
    "notifier_suspension": ("holder", "Tells a notifier that their notices are not processed for a time."),
    "notifier_lift": ("holder", "Tells a notifier that a suspension has ended."),
    "rights_document": ("holder", "Says whether the document of a right to a brand was accepted."),
}

_ENVELOPE = (
    ("type", "`ipml.` and the kind of message."),
    ("timestamp", "When the message was written, ISO 8601 in UTC; the same at every attempt."),
    (
        "key",
        "Identifies the message for ever, as the header `webhook-id` does: the same key again is the same message.",
    ),
    ("channel", "To whom it goes: `platform`, `seller` or `holder` (rights holders and other notifiers)."),
    ("subject", "What it is about, such as `measure:12`. Messages of one subject are delivered in order."),
    ("data", "What it says, by kind; see below."),
)

_HEADERS = (
    ("webhook-id", "The key of the message."),
    ("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
    (
        "webhook-signature",
        "`v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one for each secret, the newest "
        "first, separated by spaces.",
    ),
)

_SECRETS = """
The secrets stand in the file named in `IPML_WEBHOOK_SECRET`, one a line, as `whsec_` and base64; `ipml outbox secret`
makes one. To change a secret, add the new one as the first line, give it to the receiver, then remove the old one.
A receiver compares signatures in constant time, refuses timestamps more than a few minutes old, and remembers keys.
"""

_ANSWERS = (
    ("2xx", "The message is delivered."),
    (
        '2xx with `{"status": "done"}`',
        "Delivered, and done. Other states are `accepted` and `refused`, with the reason in `why`; `at` says when.",
    ),
    ("409", "The receiver knows the key: delivered."),
    (
        "408, 425, 429, 5xx, a redirect or no answer",
        "Tried again at growing random intervals of up to two hours, not before `Retry-After` asks for, and at most 30 "
        "times. Then it is a dead letter.",
    ),
    ("any other 4xx", "Given up at once: a dead letter (`ipml outbox dead`)."),
)

_CHANNELS: Mapping[str, str] = {
    "platform": "To the platform:",
    "seller": "To the seller:",
    "holder": "To the rights holder or other notifier:",
    "transparency": "To the transparency database, which gets this without an envelope:",
}


def make_webhooks() -> str:
    """Return the page of outgoing messages."""
    examples = make_examples()
    rows = [(link(kind), *MEANINGS.get(kind, ("", ""))) for kind in sorted(MESSAGE_KINDS)]
    parts = [
        "`ipml outbox deliver` sends what waits in the outbox to `IPML_WEBHOOK_URL`, or to the address of its "
        "channel in `IPML_WEBHOOK_URLS`. Statements for the transparency database go by `ipml enforce "
        "statement send` instead.",
        "## Kinds of message",
        write_table(("Kind", "Channel", "Meaning"), rows),
        "## Envelope",
        write_table(("Field", "Meaning"), [(as_code(name), meaning) for name, meaning in _ENVELOPE]),
        "## Signature",
        "Each message is a `POST` of JSON, signed as [Standard Webhooks](https://www.standardwebhooks.com) describes, "
        "so that its libraries can check it.",
        write_table(("Header", "Meaning"), [(as_code(name), meaning) for name, meaning in _HEADERS]),
        _SECRETS,
        "## Answers",
        write_table(("Answer", "What ipml does"), _ANSWERS),
        "That something is done can be said later, too: `POST /v1/measures/{key}/answer` of the "
        "[HTTP API](http-api.md).",
        "## Examples",
        "The code made these examples for an invented listing, in one run. Keys end in letters drawn at random, and "
        "references and moments differ from message to message; here they are always the same.",
    ]
    for kind in sorted(MESSAGE_KINDS):
        _, meaning = MEANINGS.get(kind, ("", ""))
        parts += [f"### {kind}", meaning]
        for channel, example in examples.get(kind, {}).items():
            parts += [_CHANNELS.get(channel, f"To `{channel}`:"), write_json(example)]
    about = "Every kind of message that ipml sends to a platform, its sellers and rights holders, with an example."
    return write_page("Webhooks", about, parts)
