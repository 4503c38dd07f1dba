"""What the guess of a script promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.model.evaluation.slices import NONE, writing_system


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Nike Air Max 90", "Latin"),
        ("Сумка Gucci женская", "Cyrillic"),
        ("名牌手提包", "Chinese characters"),
        ("財布 ルイ", "Japanese"),
        ("핸드백", "Korean"),
        ("𝐍𝐢𝐤𝐞 𝐬𝐡𝐨𝐞𝐬", "Latin"),
        ("⚡ 100 % ⚡", NONE),
    ],
)
def test_the_script_is_that_of_most_letters(text, script):
    """Brand names in Latin letters do not outweigh the rest; styled letters are what they stand for."""
    assert writing_system(text) == script


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=400))
def test_any_text_has_an_answer(text):
    """Broken and unassigned letters included; without letters there is none."""
    assert writing_system(text)
