"""Report page: writes a report as one self-contained HTML page, for mail, archive or paper.

It has no script, loads nothing and links nowhere; its content security policy enforces this and allows only its own
style sheet.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipml.kit.charts import CHART_STYLE
from ipml.kit.hostile_text import escape

if TYPE_CHECKING:
    from jinja2 import Environment

_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8") + CHART_STYLE


def write_report_page(title: str, style: str, body: str) -> str:
    """Return a page from a plain-text title, the report's own CSS and an HTML body; equal content gives equal bytes.

    >>> page = write_report_page("Bags & more", "h1 { margin: 0; }", "<h1>Bags</h1>")
    >>> "<title>Bags &amp; more</title>" in page, "style-src 'sha256-" in page
    (True, True)
    """
    sheet = _STYLE + style
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
<style>{sheet}</style>
</head>
<body>
{body}
</body>
</html>
"""


def render_report_page(templates: Environment, title: str, **context: Any) -> str:
    """Return the page of a package's templates `report.html` and `report.css`, from `make_templates`."""
    assert templates.loader is not None
    style = templates.loader.get_source(templates, "report.css")[0]
    return write_report_page(title, style, templates.get_template("report.html").render(context))
