"""The page of a report, and drawings as SVG."""

import base64
import hashlib
import re
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.report_page import write_report_page
from ipml.kit.svg import Scale, draw_axis, make_ticks, round_up, write_element, write_label, write_svg, write_title

PAGE = write_report_page("Bags \u202e<b>", "h1 { color: red; }", "<h1>Bags</h1>")


def test_the_style_sheet_is_the_one_that_its_rules_allow():
    """Nothing else is: no script, no picture, no form, and the style sheet asks for no file either."""
    (style,) = re.findall("<style>(.*?)</style>", PAGE, re.DOTALL)
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', PAGE)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    assert style.endswith("h1 { color: red; }")
    assert not re.search(r"<script|<link|url\(|@import|src=|href=", PAGE)


def test_its_title_is_text():
    """Whatever it is made of."""
    assert "<title>Bags ⟦U+202E⟧&lt;b&gt;</title>" in PAGE


NUMBERS = st.integers(0, 10**12) | st.floats(0, 1e9)
TEXTS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")))


@given(NUMBERS)
def test_an_axis_holds_its_numbers(number: float):
    """Its end is 1, 2 or 5 times a power of ten: the number or more, and not much more."""
    top = round_up(number)
    assert number <= top < max(5.01, 2.51 * number)
    assert str(top).rstrip("0") in ("1", "2", "5")


@given(NUMBERS)
def test_ticks_are_whole_numbers_evenly_apart(number: float):
    """From nothing to the end."""
    ticks = make_ticks(top := round_up(number))
    assert (ticks[0], ticks[-1]) == (0, top)
    assert len({after - before for before, after in pairwise(ticks)}) == 1
    assert 5 <= len(ticks) <= 6


@given(TEXTS, TEXTS)
def test_text_is_never_markup(text: str, label: str):
    """Whatever a seller wrote, in an attribute or between tags."""
    drawing = write_svg(10, 10, [write_element("g", write_title(text)), write_label(1, 2, text, class_=text)], label)
    read = ElementTree.fromstring(drawing)
    assert read.get("aria-label") == label
    assert [one.text or "" for one in read.iter() if one.tag in ("title", "text")] == [text, text]
    assert read.find("text").get("class") == text


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_scale_keeps_the_order(one: float, other: float):
    """Turned around where it runs from the bottom up."""
    up, along = Scale(0, 100, 200, 10), Scale(0, 100, 10, 200)
    assert (along(one) <= along(other)) == (up(one) >= up(other)) or abs(one - other) < 0.1
    assert 10 <= along(one) <= 200


def test_each_number_of_an_axis_stands_beside_its_line():
    """And at the height of its value."""
    place = Scale(0, 20, 200, 10)
    parts = [ElementTree.fromstring(part) for part in draw_axis(20, place, 50, 700, " h")]
    lines, labels = parts[::2], parts[1::2]
    assert [float(line.get("y1")) for line in lines] == [place(number) for number in (0, 5, 10, 15, 20)]
    assert [label.text for label in labels] == ["0 h", "5 h", "10 h", "15 h", "20 h"]
