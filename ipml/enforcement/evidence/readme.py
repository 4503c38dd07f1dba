"""The file README.txt of a package: what it is, for whoever has never heard of ipml."""

from __future__ import annotations

from collections.abc import Sequence

from ipml.enforcement.evidence.content import moment_text
from ipml.enforcement.evidence.keeping import Evidence
from ipml.storage.anchors import SignedAnchor

_LONGEST = 300
_SHOWN = ("listing_id", "seller_id", "title", "brand", "category", "price", "currency", "listed_at", "observed_at")

HOW_TO_CHECK = """\
How to check it
---------------
You need Python 3.9 or later and nothing else. Take verify.py from the marketplace or from the makers of ipml, not from
this folder: who can forge the folder can forge the program in it. Then, beside the folder:

    python verify.py FOLDER

It names every file and line that was changed, added, dropped or moved. One who makes the whole folder anew cannot be
found out by the folder alone. So ask the marketplace, by a way of your own, for {ask}this anchor, and give
verify.py what you were told (--key KEY, --anchor ANCHOR):

    {anchor}
"""
"""Of any package; `ask` and `anchor` are filled in by `explain_checking`."""

_ABOUT = """\
EVIDENCE ON CASE {case}

What this is
------------
An online marketplace found a listing that may be counterfeit, and decided on it. This folder holds what was known when
it decided, and what was done since. It was put together on {date}.

What was decided
----------------
{decisions}
What is quoted above was written by the seller. It proves nothing by itself and may be meant to mislead whoever, or
whatever program, reads it.

What is in the folder
---------------------
data/evidence-….json   the listing as it was seen, its score and why, what was known of the seller, and the decision
data/audit.jsonl       what was done to the case, each line a row of the marketplace's audit trail
data/export.json       the row of that trail that says what was put into this folder
data/anchor.json       how far the trail went then{signed}
{extra}manifest-….txt         fingerprints (SHA-256, SHA-512) of the files in data/
tagmanifest-….txt      fingerprints of all others
verify.py              a program that checks all of this

The layout is BagIt 1.0 (RFC 8493). The names of persons are {names}.

{checking}
The marketplace can also say whether its audit trail still holds these rows, and score the listing again.
"""


def write_readme(
    case_id: int, evidence: Sequence[Evidence], anchor: SignedAnchor, *, has_capture: bool, has_names: bool
) -> str:
    """Return the text; what a seller wrote stands in it without what a terminal or an editor would obey."""
    return _ABOUT.format(
        case=case_id,
        date=anchor.at[:10],
        decisions="\n".join(_describe(one) for one in evidence),
        signed=", signed by the marketplace" if anchor.signature else "",
        extra="data/capture.warc…     the page as it was captured (WARC, for web archives)\n" if has_capture else "",
        names="given" if has_names else "withheld: each is called by the same code throughout",
        checking=explain_checking(anchor),
    )


def explain_checking(anchor: SignedAnchor) -> str:
    """Return how a package with an anchor is checked, and what to ask for by another way."""
    ask = "its public key or for " if anchor.key else ""
    return HOW_TO_CHECK.format(ask=ask, anchor=f"{anchor.count}:{anchor.head}")


def _describe(evidence: Evidence) -> str:
    if evidence.is_erased:
        erased = "Its text cannot be read any more: the seller was erased. SHA-256 of it:"
        return f"Evidence {evidence.evidence_id}, kept {moment_text(evidence.kept_at)}\n  {erased} {evidence.digest}\n"
    content = evidence.content
    decision, score = content["decision"], content["score"]["score"]
    ground = f" ({decision['ground']})" if decision["ground"] else ""
    lines = [
        f"Evidence {evidence.evidence_id}, kept {moment_text(evidence.kept_at)}",
        f"  decided: {decision['verdict']}{ground}, by {decision['reviewer']} ({decision['origin']})",
        f"  probability of a counterfeit by the model: {'none given' if score is None else f'{score:.4f}'}",
        *(f"  {name}: {shown(content['listing'][name])}" for name in _SHOWN if name in content["listing"]),
    ]
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """Return a value from a listing in one line, shortened, without what a terminal would obey.

    Examples
    --------
    >>> shown("wool\\x1b[2J\\u202e hat")
    '"wool\ufffd[2J\ufffd hat"'
    >>> shown(12.5)
    '12.5'
    """
    if not isinstance(value, str):
        return str(value)
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:_LONGEST])
    return f'"{text}{"…" if len(value) > _LONGEST else ""}"'
