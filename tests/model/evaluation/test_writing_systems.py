"""What the guess of a script promises."""

from hypothesis import given
from hypothesis import strategies as st

from ipml.model.evaluation.slices import NONE, writing_system


def test_the_script_is_that_of_most_letters():
    """Brand names in Latin letters do not outweigh the rest; styled letters are what they stand for."""
    scripts = {
        "Nike Air Max 90": "Latin",
        "Сумка Gucci женская": "Cyrillic",
        "名牌手提包": "Chinese characters",
        "財布 ルイ": "Japanese",
        "핸드백": "Korean",
        "𝐍𝐢𝐤𝐞 𝐬𝐡𝐨𝐞𝐬": "Latin",
        "⚡ 100 % ⚡": NONE,
    }
    assert {text: writing_system(text) for text in scripts} == scripts


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=400))
def test_any_text_has_an_answer(text):
    """Broken and unassigned letters included; without letters there is none."""
    assert writing_system(text)
