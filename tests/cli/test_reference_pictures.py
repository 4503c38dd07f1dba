"""Pictures of known goods from the command line: `ipml queue pictures`."""

from pathlib import Path

import pytest
from support.databases import copy_sqlite, open_hasty
from support.picture_host import draw_goods, write_picture
from support.staff import add_staff


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return the URL of an empty queue."""
    url = copy_sqlite(tmp_path)
    add_staff(open_hasty(url))
    return url


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Return a folder of two pictures and a file that is none."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for seed in (1, 2):
        (folder / f"{seed}.jpg").write_bytes(write_picture(draw_goods(seed)))
    (folder / "bad.png").write_bytes(b"<svg/>")
    return folder


def test_pictures_are_added_listed_and_taken_out(ipml, database: str, catalogue: Path, tmp_path: Path, monkeypatch):
    """Once each; what was refused is said."""
    monkeypatch.setenv("IPML_PICTURES", str(tmp_path / "pictures"))
    ours = ("--database", database)
    add = ("queue", "pictures", "add", catalogue, "--kind", "genuine", "--brand", "Acme", "--source", "Acme", *ours)
    answer = ipml(*add)
    assert answer.out == (
        "2 pictures added; 0 were there before.\nNot added: bad.png is no picture that can be read.\n"
    )
    assert ipml(*add).out.startswith("0 pictures added; 2 were there before.")
    assert ipml("queue pictures list", *ours).out.count("Acme") == 4
    for number in (1, 2):
        assert ipml("queue pictures remove", number, *ours).exit_code == 0
    assert "Acme" not in ipml("queue pictures list", *ours).out


def test_mistakes_are_answered_with_one_line(
    ipml, accepted, database: str, catalogue: Path, tmp_path: Path, monkeypatch
):
    """No folder to keep them in, a kind that is none, a folder without pictures, a picture that is not there."""
    goods = "--brand Acme --source Acme --kind"
    assert ipml(f"queue pictures add catalogue {goods} genuine").is_refusal()
    monkeypatch.setenv("IPML_PICTURES", str(tmp_path / "pictures"))
    (tmp_path / "empty").mkdir()
    lines = (f"add catalogue {goods} perhaps", f"add empty {goods} genuine", "remove 7")
    assert accepted({f"queue pictures {line}": "" for line in lines}) == {}
