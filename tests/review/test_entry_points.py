"""What the web and the commands ask of the queue goes by the settings of the process."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ipml

GIVEN = {
    **dict.fromkeys(("claim", "claim_ahead", "decide", "decide_and_spread", "preview_bulk", "decide_bulk"), "settings"),
    **dict.fromkeys(("find_undoable", "take_back", "undo", "undo_group"), "undo_minutes"),
    **dict.fromkeys(("enqueue", "enqueue_batch"), "joins_alike"),
}


def find_calls() -> Iterator[tuple[str, str, bool]]:
    """Give the calls of the queue in entry points: where, what is called, and whether it is given the settings."""
    for folder in ("web", "cli"):
        for path in (Path(ipml.__file__).parent / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    given = {keyword.arg for keyword in node.keywords}  # None stands for `**`
                    if name in GIVEN:
                        yield path.name, name, bool({GIVEN[name], None} & given)


def test_entry_points_pass_their_settings():
    """The defaults of these functions are for examples and tests."""
    calls = list(find_calls())
    assert {"claim", "decide", "take_back", "enqueue_batch"} <= {name for _, name, _ in calls}
    assert [(module, name) for module, name, is_given in calls if not is_given] == []
