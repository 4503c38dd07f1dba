"""Rows of a source that come again: of good rows with one key the first stands, as on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipml.scoring.spark.rows import PLACE_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TWICE = "an id once per moment; another row has it already, in "


def reject_repeats(judged: DataFrame) -> DataFrame:
    """Make problems of good rows whose key an earlier good row of the source has.

    Only keys of which the hash comes twice are compared, so that the scores themselves are not sent around for this.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    key = ("listing_id", "observed_at")
    good = judged.where("problems is null").select(*key, *PLACE_COLUMNS, f.xxhash64(*key).alias("hash"))
    twice = good.groupBy("hash").count().where("count > 1").select("hash")
    if twice.isEmpty():
        return judged
    of_key = Window.partitionBy(*key).orderBy(*PLACE_COLUMNS)
    alike = good.join(twice, "hash", "left_semi").select(
        *PLACE_COLUMNS, f.row_number().over(of_key).alias("number"), f.first("__file").over(of_key).alias("first_file")
    )
    repeats = alike.where("number > 1").drop("number")
    expected = f.concat(f.lit(_TWICE), f.col("first_file"))
    cells = {"column": f.lit("listing_id"), "value": f.substring("listing_id", 1, 80), "expected": expected}
    problem = f.array(f.struct(*(cell.alias(name) for name, cell in cells.items())))
    problems = f.when(f.col("first_file").isNotNull(), problem).otherwise(f.col("problems"))
    return judged.join(repeats, list(PLACE_COLUMNS), "left").withColumn("problems", problems).drop("first_file")
