"""`ipml demo --year` shows the account of a year, and refuses one that cannot be lived through."""

from pathlib import Path

from ipml.cli.demo import describe_year
from ipml.simulation.year.population import Plan
from ipml.simulation.year.programme import Lived, TrainedModel
from ipml.simulation.year.run import Account, YearFigure
from ipml.simulation.year.weekly_scores import Stations


def test_the_account_names_each_figure_beside_history_and_where_the_time_went():
    """With a line on what the simulation does not show."""
    stations = Stations()
    stations.add("review", 12.0, 15.0)
    lived = Lived(stations=stations, peak=2**30, peak_beside=2**29, seconds=20.0)
    figures = [YearFigure("gangs", "41", "F1 0.95", "43", "43")]
    told = describe_year(Account(Plan(0.001), TrainedModel(Path("model"), 0.25, 0.7, 0.8), lived, figures))
    lines = told.splitlines()
    assert "not how good it is on your listings" in told
    assert "gangs   43       43             41         F1 0.95" in lines
    assert any(line.split() == ["review", "12.0", "15.0"] for line in lines)
    assert "together 1,536 MiB" in told


def test_a_scale_out_of_bounds_is_refused_with_a_word_on_what_is_possible(ipml, tmp_path):
    """Nothing is made."""
    answer = ipml("demo --year --scale 7 --out", str(tmp_path / "year"))
    assert answer.exit_code == 2
    assert "a scale from" in answer.err
    assert not (tmp_path / "year").exists()
