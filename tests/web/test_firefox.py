"""A shift by keyboard in Firefox: keys, forms and pictures work as in Chromium."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.browser import serve_page, start_desk
from support.casework import read_decisions
from support.firefox import start_firefox
from support.picture_host import serve_pictures
from support.staff import PASSWORD

from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.collection import fetch_due
from ipml.settings import Settings

pytestmark = pytest.mark.browser


def test_a_shift_by_keyboard(tmp_path: Path, scored: Callable) -> None:
    """Log in, walk the list, decide with a ground and a note, undo, repeat, and put the pictures first."""
    engine = start_desk(tmp_path)
    settings = Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    with serve_pictures() as host:
        enqueue(engine, [scored(number, image_urls=host.address("/good.jpg")) for number in range(6)])
        fetch_due(engine, settings.pictures, PictureSources.read(settings))
    with serve_page(engine, settings) as address, start_firefox(tmp_path / "profile") as firefox:
        firefox.visit(address)
        firefox.wait_for("document.activeElement.id === 'name'")
        firefox.press(*"ana", "Tab", *PASSWORD)
        firefox.leave_by("Enter")
        assert firefox.ask("document.title") == "Open cases · ipml"
        firefox.leave_by("j", "j", "Enter")
        assert " · case 2 · " in firefox.ask("document.title")
        firefox.press("p")
        firefox.wait_for("document.querySelector('[data-pictures-first]').ariaPressed === 'true'")
        firefox.press("p", "n", *"label 2 of 3", "Escape", "1")
        firefox.leave_by("2")
        firefox.leave_by("u")
        assert " · case 2 · " in firefox.ask("document.title")
        assert "taken back" in firefox.ask("document.querySelector('main [role=status]').innerText")
        firefox.press("1")
        firefox.leave_by("2")
        firefox.leave_by(".")
        firefox.press("n", *"the same")
        firefox.leave_by("Control+Enter")
        firefox.leave_by("l")
        assert firefox.ask("document.title") == "Open cases · ipml"
    decided = [(one.verdict, one.note) for case_id in range(1, 7) for one in read_decisions(engine, case_id)[:1]]
    assert [verdict for verdict, _ in decided] == [Verdict.COUNTERFEIT] * 3
    assert decided[-1][1] == "the same"
