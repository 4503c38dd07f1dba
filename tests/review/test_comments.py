"""Comments on a case."""

import pytest
from sqlalchemy import Engine, select
from support.reviewing import Make, act

from ipml.errors import NotFound, UnstorableValue
from ipml.review import queue
from ipml.review.worklists.comments import LONGEST_COMMENT, add_comment, find_comments
from ipml.storage.database import writing
from ipml.storage.tables import case_comments


@pytest.fixture
def filled(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of two cases."""
    queue.enqueue(engine, [make_scored("L0", 0.9), make_scored("L1", 0.8, seller_id="s1")])
    return engine


def test_comments_are_appended_and_read_in_their_order(filled: Engine):
    """Of each case its own, with who wrote them, encrypted; the audit trail says that there is one."""
    with writing(filled) as connection:
        for by, text in (("ana", " Asked Ann Example. "), ("bo", "They say: no label like that.")):
            add_comment(connection, 1, text, by=by)
        found = find_comments(connection, [1, 2])
        assert {number: [(one.author, one.text) for one in some] for number, some in found.items()} == {
            1: [("ana", "Asked Ann Example."), ("bo", "They say: no label like that.")]
        }
        assert [row.action for row in queue.history(connection, 1)] == ["enqueued", "commented", "commented"]
        assert "Ann Example" not in str(connection.execute(select(case_comments)).all())


def test_what_is_no_comment_is_refused(filled: Engine):
    """Nothing, too much, what no database holds, and one on no case."""
    for text in ("", " \n", "x" * (LONGEST_COMMENT + 1), "a\0b"):
        with pytest.raises(UnstorableValue):
            act(filled, add_comment, 1, text, by="ana")
    act(filled, add_comment, 1, "x" * LONGEST_COMMENT, by="ana")
    with pytest.raises(NotFound):
        act(filled, add_comment, 9, "Where is it?", by="ana")
