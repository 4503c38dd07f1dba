"""`ipml report transparency`."""

from support.databases import copy_sqlite


def test_a_year_is_written_into_a_folder(ipml, tmp_path):
    """The page is there, and the headline is printed; what is not known is not zero."""
    url = copy_sqlite(tmp_path)
    answer = ipml("report transparency --year 2026 --database", url, "--as-of", "2027-01-31")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 0" in answer.out
    assert "Precision of what was found counterfeit: not known" in answer.out
    assert (tmp_path / "transparency-2026/report.html").exists()
    assert (tmp_path / "transparency-2026/eu_template/4_notices.csv").exists()


def test_a_period_is_asked_for_in_one_way(ipml, tmp_path):
    """A year and days at once, or half of the days, are refused in one line."""
    url = copy_sqlite(tmp_path)
    for options in ([], ["--year", 2026, "--since", "2026-01-01"], ["--since", "2026-01-01"]):
        answer = ipml("report transparency", *options, "--database", url)
        assert answer.exit_code == 2
        assert "--year, or both --since and --until" in answer.err
    backwards = ipml("report transparency --since 2026-02-01 --until 2026-01-01 --database", url)
    assert "not before the first" in backwards.err
