"""The page of a report."""

import base64
import hashlib
import re

from ipml.kit.report_page import write_report_page

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
