"""Rows of a source that come again: of good rows with one key the first stands, as on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipml.scoring.batch import BatchCounts
from ipml.scoring.spark.counts import COUNTS, KEY, survey
from ipml.scoring.spark.rows import PLACE_COLUMNS
from ipml.scoring.spark.sources import add_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TWICE = "an id once per moment; another row has it already, in "


def reject_repeats(judged: DataFrame, files: DataFrame, n_parts: int) -> tuple[DataFrame, BatchCounts]:
    """Make problems of good rows whose key an earlier good row of the source has; return the rows and their counts.

    Only keys of which the hash comes twice are compared, so that the scores themselves are not sent around for this.

    Parameters
    ----------
    judged : DataFrame
    files : DataFrame
        Names of the files, as `name_files` returns them.
    n_parts : int
        In how many parts the rows are.
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
