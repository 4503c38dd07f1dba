"""`ipml data guess-columns` writes a first column map, which loads as it is."""

from pathlib import Path

SHOP = "Artikel-Nr.;Verkäufer;Titel;Preis;Währung;Eingestellt am\n1;s;Gürtel;1.234,50;EUR;31.12.2025 14:30\n"


def test_a_guessed_map_is_written_and_followed(ipml, tmp_path: Path) -> None:
    """What is written is what is shown without a target, and validation of the file with it finds good rows."""
    (tmp_path / "shop.csv").write_bytes(SHOP.encode("cp1252"))
    written = ipml("data guess-columns shop.csv --out shop.toml --zone Europe/Berlin")
    assert (written.exit_code, written.err) == (0, "")
    assert "ipml data validate shop.csv --columns shop.toml" in written.out
    shown = ipml("data guess-columns shop.csv --zone Europe/Berlin")
    assert shown.out == (tmp_path / "shop.toml").read_text(encoding="utf-8")
    assert ipml("data validate shop.csv --columns shop.toml").out.startswith("1 good rows, 0 bad rows")


def test_what_cannot_be_done_is_said_in_one_line(ipml, tmp_path: Path) -> None:
    """A corrected map is not written over; a zone that is none, and a file that is none, are named."""
    (tmp_path / "shop.csv").write_text(SHOP, encoding="utf-8")
    (tmp_path / "shop.toml").write_text("corrected", encoding="utf-8")
    for arguments, words in [
        (["shop.csv", "--out", "shop.toml"], "a new name, or --force"),
        (["shop.csv", "--out", "shop.txt"], "expected .toml"),
        (["shop.csv", "--zone", "Mars/Base"], "a time zone such as Europe/Berlin"),
        (["none.csv"], "none.csv: found No such file"),
        (["shop.toml"], "the suffix '.toml'"),
    ]:
        answer = ipml("data guess-columns", *arguments)
        assert answer.exit_code == 2
        assert answer.err.count("\n") == 1
        assert words in answer.err
    assert (tmp_path / "shop.toml").read_text(encoding="utf-8") == "corrected"
