"""What sellers are written: in every language, with every fact, and nothing that commands a screen."""

from datetime import UTC, datetime
from itertools import product
from typing import get_args

from ipml.enforcement.appeals.appeal import Appeal, AppealState
from ipml.enforcement.appeals.letters import compose
from ipml.enforcement.policy import Language
from ipml.records import Listing

WHAT = ("receipt", "receipt_holder", "granted", "partly_granted", "rejected", "restored", "withdrawn")
APPEAL = Appeal(
    *(31, "measure:12", 7, 5, "0f" * 16, "counter-notice", "china"), AppealState.OPEN, datetime(2025, 3, 3, tzinfo=UTC)
)


def test_every_letter_is_there_in_every_language():
    """It names the appeal, what it is against and the reasons, and no place is left unfilled."""
    for language, what in product(get_args(Language), WHAT):
        subject, text = compose(APPEAL, what, Listing("L77", "s1", "Bag"), language, "Reasons $here.")
        assert "31" in subject, (language, what)
        assert "31" in text, (language, what)
        assert "measure:12 (L77)" in text, (language, what)
        assert ("Reasons $here." in text) == (what in ("granted", "partly_granted", "rejected")), (language, what)
        assert "$" not in subject + text.replace("Reasons $here.", ""), (language, what)


def test_what_others_wrote_cannot_command_a_screen():
    """Neither an id nor the reasons carry escapes, line breaks of other kinds, or letters that turn the text."""
    hostile = "L\x1b[2J\r\u202e\u2066$number\x00" + "x" * 500
    text = "".join(compose(APPEAL, "rejected", Listing(hostile, "s1", "Bag"), "en", hostile))
    assert not set("\x1b\r\u202e\u2066\x00") & set(text)
    assert len(text) < 2000
