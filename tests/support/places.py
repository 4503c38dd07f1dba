"""Where a case stands in the queue, asked as its page asks."""

from datetime import datetime

from sqlalchemy import Connection

from ipml.review.cases import find_case_with_waiting
from ipml.review.ranking.list_marks import find_marks
from ipml.review.ranking.queue_order import explain_place, find_ranking_and_parts


def tell_place(connection: Connection, case_id: int, now: datetime) -> tuple[str, ...]:
    """Return the sentences on the place of a case at a moment."""
    row = find_case_with_waiting(connection, case_id)
    marks = find_marks(connection, {case_id: (row.seller_id, row.brand_read or "")}, now)[case_id]
    return explain_place(connection, row, *find_ranking_and_parts(connection, now), marks)
