"""Files of listings as Spark reads them, with nothing guessed: no types inferred, no broken row dropped."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from ipml.errors import UnreadableFile, UnusableSetting
from ipml.listings.raw_table import TextFormat
from ipml.scoring.spark.rows import BROKEN, PLACE_COLUMNS, Form

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PATH = "_metadata.file_path"
_PLAIN = TextFormat()
_EXPECTED = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet or a folder of Parquet files, where every worker can read it"


def read_source(session: SparkSession, source: str | Path, text: TextFormat = _PLAIN) -> tuple[DataFrame, Form]:
    """Return the rows of a file or folder as a frame that is read when it is needed, and how they stand in it.

    Parameters
    ----------
    session : SparkSession
    source : str or Path
        CSV with a header or JSON lines, either one perhaps gzipped, or Parquet. As a text it may be anywhere Spark can
        read ("s3a://…", "hdfs://…") and have wildcards; a Path lies on a disk that all machines see.
    text : TextFormat, default=UTF-8 and commas
        How text files are written.

    Raises
    ------
    UnusableSetting
        Text files in another encoding than UTF-8, in which Spark would put other letters for broken ones.
    UnreadableFile
        Nothing is there, or Spark cannot read it.
    """
    from pyspark.errors import AnalysisException

    place = locate(source)
    name = place.removesuffix(".gz")
    is_utf_8 = codecs.lookup(text.encoding).name in ("utf-8", "utf-8-sig")
    if name.endswith((".jsonl", ".csv")) and not is_utf_8:
        remedy = "utf-8 for Spark: write the file anew with `ipml validate FILE --columns MAP --good GOOD`"
        raise UnusableSetting(f"encoding of {source}", repr(text.encoding), remedy)
    try:
        if name.endswith(".jsonl"):
            lines = session.read.text(place)
            return lines.select(lines["value"].cast("binary").alias("line")), Form.JSON_LINES
        rows = _read_csv(session, place, text.separator) if name.endswith(".csv") else session.read.parquet(place)
    except AnalysisException as error:
        raise UnreadableFile(str(source), str(error).split("\n")[0], _EXPECTED) from error
    return rows, Form.TABLE


def add_places(rows: DataFrame) -> DataFrame:
    """Add where each row stands in its source; the file as a number, for its name would be the longest cell of all."""
    from pyspark.sql import functions as f

    columns = [f.xxhash64(_PATH), f.col("_metadata.file_block_start"), f.monotonically_increasing_id()]
    return rows.select("*", *(column.alias(name) for column, name in zip(columns, PLACE_COLUMNS, strict=True)))


def name_files(rows: DataFrame) -> DataFrame:
    """Return the numbers of the files of a source, as `add_places` gives them, with their names."""
    from pyspark.sql import functions as f

    numbered = rows.select(f.xxhash64(_PATH).alias(PLACE_COLUMNS[0]), f.col(_PATH).alias("file"))
    return numbered.groupBy(PLACE_COLUMNS[0]).agg(f.min("file").alias("file"))


def add_names(rows: DataFrame, files: DataFrame) -> DataFrame:
    """Add the names of their files to rows with places: by file, block and id they are in the order of the source."""
    return rows.join(files, PLACE_COLUMNS[0], "left")


def locate(place: str | Path) -> str:
    """Return a place as Spark takes it: a Path is one on a local or shared disk, a text stays as it is.

    Examples
    --------
    >>> locate("s3a://lake/listings"), locate(Path("/data/night.parquet"))
    ('s3a://lake/listings', 'file:///data/night.parquet')
    """
    return f"file://{place.absolute()}" if isinstance(place, Path) else place


def _read_csv(session: SparkSession, place: str, separator: str) -> DataFrame:
    """Read cells as text, over several lines where they are quoted; a row of another width is kept as broken."""
    reader = session.read.options(header=True, multiLine=True, sep=separator, escape='"', enforceSchema=False)
    header = reader.csv(place).columns
    schema = ", ".join(f"`{name.replace('`', '``')}` string" for name in [*header, BROKEN])
    return reader.options(mode="PERMISSIVE", columnNameOfCorruptRecord=BROKEN).schema(schema).csv(place)
