"""The file README.txt of a clue package: what it is, for whoever has never heard of ipml."""

from __future__ import annotations

from ipml.cooperation.clues.rules import Profile
from ipml.enforcement.evidence.package import explain_checking
from ipml.storage.anchors import SignedAnchor

_ABOUT = """\
CLUE {reference}

What this is
------------
An online marketplace found sellers who are joined by what they share, and found listings of theirs counterfeit. This
folder holds what it may tell {title} of them, put together on {date}. Begin with data/summary.html, or with
data/summary.txt, which says the same: each takes a minute.

Sellers are called by the same code (S-001) in all files of this clue and of those that follow it to the same recipient,
and by other codes in packages to others. What sellers wrote proves nothing by itself and may be meant to mislead
whoever, or whatever program, reads it.

What is in the folder
---------------------
data/summary.html      the clue on a page, with a picture; it runs nothing and loads nothing
data/summary.txt       the same as text
data/unknown.txt       what is not known, or not told
data/members.csv       the sellers, their roles, and what was found of them
data/links.csv         what two of them share, since when, and how much it says (in bits)
data/timeline.csv      who came when, and what went from hand to hand
data/listings.csv      their listings, and what was decided on each
data/value.json        what they sold, estimated, with an interval and how it came about
data/graph.…           the network as a picture (svg), and for programs (graphml, json)
data/clue.json         who is told what, and on what terms
{evidence}data/export.json       the row of the marketplace's audit trail that says what was put into this folder
data/anchor.json       how far the trail went then{signed}
manifest-….txt         fingerprints (SHA-256, SHA-512) of the files in data/
tagmanifest-….txt      fingerprints of all others
verify.py              a program that checks all of this

The layout is BagIt 1.0 (RFC 8493). Names of the marketplace's people are withheld: each is called by a code.

{checking}
Quote clue {reference} when you ask for more, and sign for the receipt of it.
"""

_EVIDENCE = """\
data/evidence-….json   the listing as it was seen, its score and why, what was known of the seller, and the decision
data/audit.jsonl       what was done to these cases, each line a row of the marketplace's audit trail
"""
_CAPTURES = "data/capture-….warc…   pages as they were captured (WARC, for web archives)\n"


def write_clue_readme(
    reference: str, profile: Profile, anchor: SignedAnchor, *, has_evidence: bool, has_captures: bool
) -> str:
    """Return the text."""
    return _ABOUT.format(
        reference=reference,
        title=profile.title.lower(),
        date=anchor.at[:10],
        evidence=_EVIDENCE * has_evidence + _CAPTURES * has_captures,
        signed=", signed by the marketplace" if anchor.signature else "",
        checking=explain_checking(anchor),
    )
