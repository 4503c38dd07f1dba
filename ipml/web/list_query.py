"""What a reader asks of the list: filters, words and order, as they stand in the address of the page."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ipml.review.browsing import Filter
from ipml.web.trail import PATTERN

_LONGEST = 200


def _none_if_empty(value: Any) -> Any:
    # A field that was left empty arrives as an empty text.
    return None if value == "" else value


_Text = Annotated[str, Field(max_length=_LONGEST, pattern="^[^\x00]*$")]
_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]
_Hours = Annotated[float, Field(ge=0, le=876_000, allow_inf_nan=False)]
_IfGiven = BeforeValidator(_none_if_empty)


class ListQuery(BaseModel):
    """The list that a reader asks for; a value that makes no sense is refused.

    Attributes
    ----------
    words : str
        What a case must hold: parts of its title, brand, id or seller.
    least, most : float or None
        Bounds of the score in percent.
    waiting : float or None
        Days that a case has waited at least.
    due : float or None
        Hours within which a case must be decided.
    undone : int
        How many decisions were taken back just now.
    after : str
        The trail of the last case of each page before.

    Examples
    --------
    >>> asked = ListQuery.read("brand=Acme&least=50&most=")
    >>> asked.filter().least_score, asked.write()
    (0.5, 'brand=Acme&least=50')
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["open", "escalated", "decided", "superseded"] = "open"
    words: _Text = ""
    brand: _Text = ""
    seller: _Text = ""
    category: _Text = ""
    least: Annotated[_Percent | None, _IfGiven] = None
    most: Annotated[_Percent | None, _IfGiven] = None
    waiting: Annotated[_Days | None, _IfGiven] = None
    due: Annotated[_Hours | None, _IfGiven] = None
    order: Literal["rank", "value", "score", "first come"] = "rank"
    undone: Annotated[int, Field(ge=0, le=10_000)] = 0
    after: Annotated[str, Field(pattern=PATTERN, max_length=2_000)] = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a query says, or the whole list where it makes no sense."""
        try:
            return cls(**dict(parse_qsl(text)))
        except ValidationError:
            return cls()

    def write(self, **changes: Any) -> str:
        """Return the query that asks for this list, or for a changed one from its first page."""
        said = self.model_dump(exclude_defaults=True, exclude={"after", "undone"}) | changes
        return urlencode({name: _plain(value) for name, value in said.items() if value not in (None, "")})

    def filter(self) -> Filter:
        """Return which cases are asked for."""
        return Filter(
            state=self.state,
            brand=self.brand or None,
            seller_id=self.seller or None,
            category=self.category or None,
            search=self.words,
            least_score=None if self.least is None else self.least / 100,
            most_score=None if self.most is None else self.most / 100,
            waiting_days=self.waiting,
            due_hours=self.due,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but state and order is asked for."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"state", "order", "after", "undone"}))


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value
