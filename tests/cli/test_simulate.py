"""`ipml data simulate` writes a marketplace and says what is in it."""

from pathlib import Path

FILES = {"listings.parquet", "events.parquet", "brands.toml", "truth.parquet"}


def test_the_command_writes_four_files_and_a_summary(ipml, tmp_path: Path):
    """The summary counts listings and sellers, gives the shares and names each file."""
    answer = ipml("data simulate --listings 1000 --seed 2 --out market")
    assert answer.exit_code == 0
    assert {path.name for path in (tmp_path / "market").iterdir()} == FILES
    assert "listings    1,000" in answer.out
    assert "prevalence  7.0%" in answer.out
    assert all(name in answer.out.replace("\n", "") for name in FILES)
