"""Comments on a case."""

import pytest
from sqlalchemy import Engine, select
from support.reviewing import Make

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
    """Of each case its own, with who wrote them; the audit trail says that there is one."""
    with writing(filled) as connection:
        for by, text in (("ana", " Asked the brand. "), ("bo", "They say: no label like that.")):
            add_comment(connection, 1, text, by=by)
        found = find_comments(connection, [1, 2])
        assert [(one.author, one.text) for one in found[1]] == [
            ("ana", "Asked the brand."),
            ("bo", "They say: no label like that."),
        ]
        assert list(found) == [1]
        assert [row.action for row in queue.history(connection, 1)] == ["enqueued", "commented", "commented"]


def test_comments_are_not_stored_in_the_clear(filled: Engine):
    """What is written may name people: only the seller's key opens it."""
    with writing(filled) as connection:
        add_comment(connection, 1, "Sold by Ann Example", by="ana")
        assert "Ann Example" not in str(connection.execute(select(case_comments)).all())


@pytest.mark.parametrize("text", ["", " \n", "x" * (LONGEST_COMMENT + 1), "a\0b"])
def test_what_is_no_comment_is_refused(text: str, filled: Engine):
    """Nothing, too much, and what no database holds."""
    with writing(filled) as connection, pytest.raises(UnstorableValue):
        add_comment(connection, 1, text, by="ana")


def test_only_cases_have_comments(filled: Engine):
    """A number of none is said to be none."""
    with writing(filled) as connection, pytest.raises(NotFound):
        add_comment(connection, 9, "Where is it?", by="ana")
