"""Laws of what is drawn of a network: all in the frame, names that can be read, grounds around their parts."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from support.planted_network import keep_planted

from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.networks.view import MemberRecord, NetworkView, view_network
from ipml.web.console.drawing import network_picture
from ipml.web.console.drawing.network_picture import WIDTH, draw_lines, draw_network, draw_small


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> NetworkView:
    """Return a network of eighty."""
    folder: Path = tmp_path_factory.mktemp("drawn") / "networks"
    keep_planted(folder, 80, 100)
    return view_network(folder, 1)


def test_names_lie_in_the_frame_and_on_no_other_name(view: NetworkView):
    """And whoever is called the source is named."""
    picture = draw_network(view, {})
    boxes = [(one.x - 3.5 * len(one.text), one.x + 3.5 * len(one.text), one.y - 12, one.y) for one in picture.labels]
    assert all(left >= 0 and right <= WIDTH and top >= 0 and foot <= picture.height for left, right, top, foot in boxes)
    for (left, right, top, foot), (other_left, other_right, other_top, other_foot) in combinations(boxes, 2):
        assert right < other_left or other_right < left or foot < other_top or other_foot < top
    called = {place for place, role in enumerate(view.roles.role) if role is NetworkRole.SOURCE}
    assert called <= {label.place for label in picture.labels}


def test_members_are_drawn_by_what_is_known_of_them(view: NetworkView):
    """Confirmed goes before open, open before cleared; who has no case here is called unknown."""
    names = view.seller_ids
    counts = {names[0]: (3, 1, 1), names[1]: (2, 1, 0), names[2]: (1, 0, 0)}
    records = {
        name: MemberRecord(name, 1, n_cases, n_open, confirmed, 0, ())
        for name, (n_cases, n_open, confirmed) in counts.items()
    }
    drawn = draw_network(view, records).members
    states = [re.search("confirmed|open|cleared|unknown", one.classes)[0] for one in drawn[:4]]  # type: ignore[index]
    assert states == ["confirmed", "open", "cleared", "unknown"]


def test_of_many_links_the_strongest_are_drawn(view: NetworkView, monkeypatch: pytest.MonkeyPatch):
    """Those that join all who are linked first of all."""
    monkeypatch.setattr(network_picture, "MOST_LINES", int(view.layout.is_backbone.sum()))
    lines = draw_lines(view)
    assert lines.count("<line ") == lines.count(" back")


def test_bars_of_arrivals_and_the_small_picture_count_everybody(view: NetworkView):
    """No bar is higher than the chart, and there is a dot for each member."""
    arrivals = draw_network(view, {}).arrivals
    assert max(height for _, _, height in arrivals.bars) == 100
    assert all(0 <= x < x + width <= 100 for x, width, _ in arrivals.bars)
    assert draw_small(view.layout)[1].count("M") == len(view.roles.members)


def test_what_is_known_of_a_member_is_not_told_by_colour_alone(view: NetworkView):
    """In the picture as in its legend each state of cases has a mark of its own, and who has no case has none."""
    picture = draw_network(view, {})
    marks = {one.classes.split()[1]: one.mark for one in picture.legend}
    assert len(set(marks.values())) == len(marks) == 4
    assert marks["unknown"] == ""
    assert {one.mark for one in picture.members} == {""}
