"""The page of a report, and drawings as SVG."""

import base64
import hashlib
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.report_page import write_report_page
from ipml.kit.svg import write_element, write_label, write_svg, write_title

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


TEXTS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")))


@given(TEXTS, TEXTS)
def test_text_is_never_markup(text: str, label: str):
    """Whatever a seller wrote, in an attribute or between tags."""
    drawing = write_svg(10, 10, [write_element("g", write_title(text)), write_label(1, 2, text, class_=text)], label)
    read = ElementTree.fromstring(drawing)
    assert read.get("aria-label") == label
    assert [one.text or "" for one in read.iter() if one.tag in ("title", "text")] == [text, text]
    assert read.find("text").get("class") == text
