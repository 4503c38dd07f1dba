"""The rows of a part with its highest scores, kept beside it: a few of them are explained when all parts are scored.

To find and to explain these, no part has to be read again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.scoring.parts.keys import Rows

MOST = 1_000
"""Where more are to be explained, whole parts are read in the end."""
ROW = "row"


def choose_hopeful(scores: pd.Series[float], most: int) -> Rows:
    """Return where the highest scores stand, ascending; of equal ones the first.

    Examples
    --------
    >>> choose_hopeful(pd.Series([0.5, None, 0.9, 0.5]), 2)
    array([0, 2])
    """
    return np.sort(scores.reset_index(drop=True).dropna().nlargest(most).index.to_numpy(dtype=np.int64))


def write_hopeful(table: pa.Table, rows: Rows, path: Path) -> None:
    """Write some scored listings and their rows."""
    pq.write_table(table.append_column(ROW, pa.array(rows)), path, use_dictionary=False)


def read_scores(stem: Path, most: int, again: Rows) -> pd.Series[float] | None:
    """Return the highest scores of a part by row, but of rows that come again; None where they are not known.

    Parameters
    ----------
    stem : Path
        Of the files of the part.
    most : int
        How many are wanted.
    again : array of int
        The rows that come again, of all parts.
    """
    path = stem.with_suffix(".top.parquet")
    if not path.exists():
        return None
    table = pq.ParquetFile(path).read(columns=["score", ROW], use_threads=False)
    scores = pd.Series(table["score"].to_numpy(), index=table[ROW].to_numpy())
    is_again = np.isin(scores.index, again)
    # In place of those that come again, others would be among the highest.
    return None if is_again.any() and len(scores) >= most else scores[~is_again]


def read_hopeful(stem: Path, rows: Rows) -> pa.Table | None:
    """Return these rows of a part, ascending; None where they have not been kept."""
    path = stem.with_suffix(".top.parquet")
    if not path.exists():
        return None
    table = pq.ParquetFile(path).read(use_threads=False)
    chosen = table.filter(pa.array(np.isin(table[ROW].to_numpy(), rows)))
    return chosen if chosen.num_rows == len(rows) else None
