"""What listings really are: known to those who play people, who see it with their errors, and to the final account."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Truth:
    """Whether each listing is counterfeit: a byte for each listing of the year so far.

    Examples
    --------
    >>> truth = Truth()
    >>> truth.add(np.array([True, False]))
    >>> truth.is_fake("listing-0000000"), truth.is_fake("listing-0000001")
    (True, False)
    """

    def __init__(self) -> None:
        self._known = bytearray()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def n_fakes(self) -> int:
        """How many are counterfeit."""
        return self._known.count(1)

    def add(self, is_fake: npt.NDArray[np.bool_]) -> None:
        """Add listings, which are numbered on."""
        self._known += is_fake.astype(np.uint8).tobytes()

    def is_fake(self, listing_id: str) -> bool:
        """Say whether a listing, by its id, is counterfeit."""
        return bool(self._known[int(listing_id.removeprefix("listing-"))])
