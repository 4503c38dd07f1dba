"""The page of a report in a real browser: it loads nothing, fits every window, and is whole on paper."""

import pytest
from support.browser import OVERHANGING, start_browser

from experiments.cooperation.report_speed import NOW, YEAR
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import write_brand_report
from ipml.cooperation.reports.transparency import write_transparency_report
from ipml.storage.database import reading

pytestmark = pytest.mark.browser


def test_it_loads_nothing_and_fits(year, tmp_path):
    """Wide, narrow and printed, nothing is asked for, nothing complained of, nothing hangs over, no chart is empty."""
    rules = ReportRules(service="Bazaar")
    with reading(year) as connection:
        write_transparency_report(connection, YEAR, tmp_path / "year", rules, now=NOW)
        write_brand_report(connection, "Brand A", YEAR, tmp_path / "brand", rules, now=NOW)
    with start_browser() as browser:
        page = browser.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for name in ("year", "brand"):
            for width in (1440, 720, 360):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto((tmp_path / name / "report.html").as_uri())
                assert page.evaluate(OVERHANGING) == []
            assert page.locator("script").count() == 0
            charts = page.locator("figure svg").all()
            assert charts
            assert all((box := chart.bounding_box()) and box["height"] > 20 for chart in charts)
            assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert {url.partition(":")[0] for url in asked} == {"file"}
    assert said == []
