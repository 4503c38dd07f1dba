"""A report as one page: complete in itself, to be read on a screen or on paper, without a script or a link that loads.

Names of brands and categories in it were written by sellers: what a template prints is escaped, and letters that cannot
be seen are shown by their number.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ipml.cooperation.reports.tables import Report, plain, show, show_interval


def write_page(report: Report) -> str:
    """Return the page of a report as HTML; the same report gives the same bytes."""
    loader = _environment.loader
    assert loader is not None
    style = loader.get_source(_environment, "report.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    template = _environment.get_template("report.html")
    return template.render(report=report, style=Markup(style), policy=policy) + "\n"  # noqa: S704 - our own file


def show_hidden(text: str) -> str:
    """Return a text in which letters that cannot be seen, or turn the line around, stand as their numbers.

    Examples
    --------
    >>> show_hidden("Ac\u200bme")
    'Ac[U+200B]me'
    """
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "".join(
        f"[U+{ord(letter):04X}]" if unicodedata.category(letter) in hidden and letter not in "\n\t" else letter
        for letter in text
    )


def _finalize(value: object) -> object:
    return show_hidden(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=PackageLoader("ipml.cooperation.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {"show": show, "show_interval": show_interval, "plain": plain, "Markup": Markup}
