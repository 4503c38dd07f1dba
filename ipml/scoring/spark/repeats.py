"""Repeats: rows of a source with the key of an earlier good row; the first counts, as on one machine.

One pass over all scored rows counts the good ones and finds the hashes of keys that occur more than once. Workers sort
the hashes of their rows and send them in blocks, one for each range of hashes: some large cells instead of a row for
each listing, as grouping in Spark would send them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ipml.scoring.batch.file_scoring import BatchCounts
from ipml.scoring.spark.rows import PLACE_COLUMNS, add_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


KEY = ("listing_id", "observed_at")
"""Columns that together identify a good row of a source."""
COUNTS = ("scored", "abstained", "rejected")

_COUNTS_DDL = ", ".join(f"{name} bigint" for name in COUNTS)
_BLOCKS_DDL = f"place int, hashes binary, {_COUNTS_DDL}"
_FOUND_DDL = f"hash bigint, {_COUNTS_DDL}"
_BLOCKS = pa.schema({"place": pa.int32(), "hashes": pa.binary(), **dict.fromkeys(COUNTS, pa.int64())})
_FOUND = pa.schema({"hash": pa.int64(), **dict.fromkeys(COUNTS, pa.int64())})

Hashes = NDArray[np.uint64]


def survey(judged: DataFrame, most_ranges: int) -> DataFrame:
    """Return the hashes of the keys of good rows that come more than once, each once, among rows that hold counts.

    Parameters
    ----------
    judged : DataFrame
        Rows as `judge_rows` returns them. The hashes of a range have to fit into a worker's memory: there are as many
        ranges as `spark.sql.shuffle.partitions` says.
    most_ranges : int
        That many suffice, such as there are parts of the rows: each range has a task.

    Returns
    -------
    DataFrame
        The column hash, null in rows that only count, and those of `COUNTS`, to be added up.
    """
    from pyspark.sql import functions as f

    n_places = min(most_ranges, int(str(judged.sparkSession.conf.get("spark.sql.shuffle.partitions"))))
    is_good, is_abstained = f.col("problems").isNull(), f.col("abstained").isNotNull()
    hashed = judged.select(f.xxhash64(*KEY).alias("hash"), is_good.alias("good"), is_abstained.alias("abstained"))
    blocks = hashed.mapInArrow(partial(make_blocks, n_places=n_places), _BLOCKS_DDL)
    return blocks.repartition(n_places, "place").groupBy("place").applyInArrow(find_twice, _FOUND_DDL)


def make_blocks(batches: Iterable[pa.RecordBatch], n_places: int) -> Iterator[pa.RecordBatch]:
    """Yield the hashes of good rows, sorted and cut into ranges, and at the first of them the counts.

    >>> rows = pa.record_batch({"hash": [-1, 5, 5], "good": [True, True, False], "abstained": [True, False, False]})
    >>> (blocks,) = make_blocks([rows], 2)
    >>> blocks.select(["place", "scored", "abstained", "rejected"]).to_pylist()[0]
    {'place': 0, 'scored': 2, 'abstained': 1, 'rejected': 1}
    """
    kept = [np.empty(0, dtype=np.int64)]
    counts = np.zeros(len(COUNTS), dtype=np.int64)
    for batch in batches:
        hashes, is_good, abstained = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
        kept.append(hashes[is_good])
        counts += len(kept[-1]), int(abstained[is_good].sum()), int((~is_good).sum())
    ordered = np.sort(np.concatenate(kept).view(np.uint64))
    edges = np.array([(place << 64) // n_places for place in range(1, n_places)], dtype=np.uint64)
    blocks = [block.tobytes() for block in np.split(ordered, np.searchsorted(ordered, edges))]
    columns = [list(range(n_places)), blocks, *([count, *[0] * (n_places - 1)] for count in counts.tolist())]
    yield pa.record_batch(columns, schema=_BLOCKS)


def find_twice(blocks: pa.Table) -> pa.Table:
    """Return the hashes of some blocks that come more than once, after a row with the sums of their counts.

    >>> blocks = [np.array(hashes, dtype=np.uint64).tobytes() for hashes in ([1, 2, 2], [1, 3])]
    >>> table = pa.table([[0, 0], blocks, [3, 2], [0, 1], [0, 0]], schema=_BLOCKS)
    >>> find_twice(table).to_pydict()
    {'hash': [None, 1, 2], 'scored': [5, 0, 0], 'abstained': [1, 0, 0], 'rejected': [0, 0, 0]}
    """
    cells = blocks.column("hashes").to_pylist()
    hashes = np.sort(np.frombuffer(b"".join(cells), dtype=np.uint64))
    twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]]).view(np.int64).tolist()
    sums = [sum(blocks.column(name).to_pylist()) for name in COUNTS]
    return pa.table([[None, *twice], *([total, *[0] * len(twice)] for total in sums)], schema=_FOUND)


_TWICE = "an id once per moment; another row has it already, in "


def reject_repeats(judged: DataFrame, files: DataFrame, n_parts: int) -> tuple[DataFrame, BatchCounts]:
    """Make problems of good rows whose key an earlier good row of the source has; return the rows and their counts.

    Only keys of which the hash comes twice are compared, so that the scores themselves are not sent around for this.
    """
    from pyspark.sql import functions as f

    found = survey(judged, n_parts)
    row = found.agg(f.count("hash").alias("twice"), *(f.sum(name).alias(name) for name in COUNTS)).first()
    assert row is not None
    if not row["twice"]:
        return judged, BatchCounts(row["scored"] or 0, row["abstained"] or 0, row["rejected"] or 0)
    judged = _name_repeats(judged, found.where("hash is not null").select("hash"), files)
    return judged, _count(judged)


def _name_repeats(judged: DataFrame, twice: DataFrame, files: DataFrame) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    good = judged.where("problems is null").select(*KEY, *PLACE_COLUMNS, f.xxhash64(*KEY).alias("hash"))
    some = add_names(good.join(twice, "hash", "left_semi"), files)
    of_key = Window.partitionBy(*KEY).orderBy("file", *PLACE_COLUMNS[1:])
    alike = some.select(
        *PLACE_COLUMNS, f.row_number().over(of_key).alias("number"), f.first("file").over(of_key).alias("first_file")
    )
    repeats = alike.where("number > 1").drop("number")
    expected = f.concat(f.lit(_TWICE), f.col("first_file"))
    cells = {"column": f.lit("listing_id"), "value": f.substring("listing_id", 1, 80), "expected": expected}
    problem = f.array(f.struct(*(cell.alias(name) for name, cell in cells.items())))
    problems = f.when(f.col("first_file").isNotNull(), problem).otherwise(f.col("problems"))
    return judged.join(repeats, list(PLACE_COLUMNS), "left").withColumn("problems", problems).drop("first_file")


def _count(judged: DataFrame) -> BatchCounts:
    from pyspark.sql import functions as f

    is_good = f.col("problems").isNull()
    row = judged.agg(
        f.count_if(is_good), f.count_if(is_good & f.col("abstained").isNotNull()), f.count_if(~is_good)
    ).first()
    assert row is not None
    return BatchCounts(*row)
