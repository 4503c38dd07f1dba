"""Templates of notes: kept by ground, changed and removed."""

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.transactions import act, ask

from ipml.errors import NotFound, Refused, UnstorableValue
from ipml.review.worklists.note_templates import LONGEST_TEMPLATE, list_templates, remove_template, save_template


@on_both
def test_templates_are_kept_by_ground_and_changed(engine: Engine):
    """Those for any verdict come first, then by ground; a changed one keeps its number, a removed one is gone."""
    for ground, text in (("test_purchase", "Bought"), ("declared_replica", "Says so"), ("", " Asked  ")):
        act(engine, save_template, ground, text, by="lea")
    assert [one.text for one in ask(engine, list_templates)] == ["Asked", "Says so", "Bought"]
    assert act(engine, save_template, "", "Bought on 1 May", template_id=1, by="ada") == 1
    act(engine, remove_template, 3)
    assert [(one.template_id, one.ground, one.changed_by) for one in ask(engine, list_templates)] == [
        (1, "", "ada"),
        (2, "declared_replica", "lea"),
    ]
    for error, ground, text, number in (
        (UnstorableValue, "", "  ", None),
        (UnstorableValue, "", "x" * (LONGEST_TEMPLATE + 1), None),
        (Refused, "unknown", "Text", None),
        (NotFound, "", "Text", 3),
    ):
        with pytest.raises(error):
            act(engine, save_template, ground, text, template_id=number, by="lea")
    with pytest.raises(NotFound):
        act(engine, remove_template, 3)
