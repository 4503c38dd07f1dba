"""Text of strangers, wholly visible."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.hostile_text import escape, is_invisible, make_templates, show_invisible


def test_every_character_that_cannot_be_seen_is_known() -> None:
    """All controls, format characters, surrogates and separators of Unicode are shown by their code point."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if unicodedata.category(letter) in hidden:
            assert is_invisible(letter), hex(number)


@given(st.text(st.sampled_from("ab<>&\"'\u200b\u202e\n\0")))
def test_escaped_text_has_no_tag_and_hides_nothing(text: str) -> None:
    """But line breaks and tabs, which are harmless in a paragraph."""
    shown = escape(text)
    assert not set("<>\"'") & set(shown)
    assert not any(is_invisible(letter) for letter in shown if letter != "\n")


def test_templates_escape_and_show_by_themselves() -> None:
    """What is markup stays as it was made."""
    templates = make_templates("ipml.cooperation.reports")
    written = templates.from_string("{{ text }} {{ '<b>'|safe }}").render(text="<i>\u200b")
    assert written == "&lt;i&gt;⟦U+200B⟧ <b>"
    assert show_invisible("a\tb") == "a\tb"
