"""`ipml data simulate` writes a marketplace and says what is in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ipml.cli import make_commands
from ipml.errors import UnusableSetting

FILES = {"listings.parquet", "events.parquet", "brands.toml", "truth.parquet"}


def test_the_command_writes_four_files_and_a_summary(tmp_path: Path):
    """The summary counts listings and sellers, gives the shares and names each file."""
    out = tmp_path / "market"
    result = CliRunner().invoke(
        make_commands(), ["data", "simulate", "--listings", "1000", "--seed", "2", "--out", str(out)]
    )
    assert result.exit_code == 0
    assert {path.name for path in out.iterdir()} == FILES
    assert "listings    1,000" in result.stdout
    assert "prevalence  7.0%" in result.stdout
    assert all(name in result.stdout.replace("\n", "") for name in FILES)


def test_an_impossible_difficulty_is_the_callers_mistake(tmp_path: Path):
    """It is named, and nothing is written."""
    out = tmp_path / "market"
    result = CliRunner().invoke(make_commands(), ["data", "simulate", "--difficulty", "2", "--out", str(out)])
    assert isinstance(result.exception, UnusableSetting)
    assert not out.exists()


@pytest.mark.parametrize("name", sorted(FILES))
def test_help_describes_every_file(name: str):
    """Whoever reads the help knows what the files are."""
    result = CliRunner().invoke(make_commands(), ["data", "simulate", "--help"], env={"COLUMNS": "200"})
    assert name in result.stdout
