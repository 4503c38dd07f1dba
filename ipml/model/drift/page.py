"""A drift report as a page of its own, without script or anything fetched: for a mail, a wiki or a monthly folder."""

from __future__ import annotations

from html import escape

from ipml.model.drift.drift import DriftCheck, DriftReport

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.alarm td:first-child { background: #b3261e; color: #fff; }
tr.watch td:first-child { background: #f4c430; color: #000; }
"""


def to_html(report: DriftReport, title: str = "Drift") -> str:
    """Return the report as an HTML page; names of brands and the like are shown as text, never as markup.

    Examples
    --------
    >>> from ipml.model.drift import DriftReport
    >>> page = to_html(DriftReport(10, 5.0, (), ("Few <sellers>",)))
    >>> "<li>Few &lt;sellers&gt;</li>" in page
    True
    """
    rows = "\n".join(map(_row, report.checks))
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}: {report.alarm}</title>
<style>{_STYLE}</style>
<h1>{escape(title)}: {report.alarm}</h1>
<p>{report.n_listings:,} listings, which tell as much as {report.n_effective:,.0f} independent ones.</p>
<ul>{notes}</ul>
<table>
<tr><th>alarm<th>subject<th>what moved<th>effect<th>by chance</tr>
{rows}
</table>
</html>
"""


def show_effect(check: DriftCheck) -> str:
    """Return the size of a move with its unit.

    Examples
    --------
    >>> show_effect(DriftCheck("label rate", "ratio", 1.5, 0.001, "alarm", ""))
    '× 1.50'
    """
    if check.measure == "ratio":
        return f"× {check.effect:.2f}"
    return f"{check.measure} {check.effect:.2f}"


def _row(check: DriftCheck) -> str:
    return (
        f'<tr class="{check.alarm}"><td>{check.alarm}<td>{escape(check.subject)}<td>{escape(check.sentence)}'
        f'<td class="number">{escape(show_effect(check))}<td class="number">{check.p_value:.2g}</tr>'
    )
