"""Rows: listings as Spark reads them, and the work on one batch: read, check, score the good ones.

Files are read without guessing: no types inferred, no broken row dropped. Batches travel as Arrow, not as pandas: long
ids beside missing cells stay exact, and no text becomes a Python object on its way. All rows come out, bad ones with
their problems.
"""

from __future__ import annotations

import codecs
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from ipml.errors import Refused, UnreadableFile, UnusableSetting
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.frames import ROW, read_cells, show
from ipml.listings.kinds import Kind, make_empty_column
from ipml.listings.maps.column_maps import ColumnMap
from ipml.listings.readers import keep_rows
from ipml.listings.schema import Validation, validate_rows
from ipml.listings.tables import RawTable, TextFormat, number_batches, read_tables
from ipml.listings.writers import to_arrow
from ipml.records import Problem
from ipml.scoring.scorer import ORIGIN_COLUMNS, SCORE_COLUMNS, Scorer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ID_COLUMNS = ("listing_id", "observed_at", "seller_id")
PLACE_COLUMNS = ("__file", "__block", "__id")
"""Where a row stands in the source: a number of its file, start of its block, a number that grows within the block."""
JUDGED_COLUMNS = tuple(name for name in (*SCORE_COLUMNS, *ORIGIN_COLUMNS) if name != "model_version")
"""Columns of the scores; the driver adds the model, which is the same for all."""
BROKEN = "__broken"
"""Name of the column in which Spark keeps a row of a CSV file that it could not read."""

Batch: TypeAlias = "pa.RecordBatch | pa.Table"

_DDL = {Kind.TEXT: "string", Kind.MOMENT: "timestamp_ltz", Kind.FLAG: "boolean", Kind.VECTOR: "array<float>"} | {
    Kind.EXTRA: "string"
}
_ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "timestamp_ltz": pa.timestamp("us", "UTC"),
    "array<float>": pa.list_(pa.float32()),
}
_FAULTS_DDL = "problems array<struct<column:string,value:string,expected:string>>, raw string"
_FAULT = pa.struct([("column", pa.string()), ("value", pa.string()), ("expected", pa.string())])
_FAULTS = {"problems": pa.list_(_FAULT), "raw": pa.string()}
_TYPES = {field.name: _DDL.get(field.kind, "double") for field in FIELDS} | {
    name: "string" if name in ("abstained", "warning", "model_digest") else "double" for name in JUDGED_COLUMNS
}


class Form(StrEnum):
    """How rows reach a worker."""

    TABLE = "table"
    """As columns."""
    JSON_LINES = "json lines"
    """As lines of a text file, each a JSON object; in one column of bytes."""


@dataclass(frozen=True)
class RowReading:
    """How rows are to be read.

    Attributes
    ----------
    source : str
        Name of the rows in messages.
    columns : ColumnMap or None
        How the columns of the source map to the canonical ones; they have to be those where none is given.
    keeps_bad : bool
        Whether bad rows come out with what is wrong with them; else the first batch that has one is an error.
    places : tuple of str
        Those of `PLACE_COLUMNS` that rows carry along.
    """

    source: str
    form: Form = Form.TABLE
    columns: ColumnMap | None = None
    keeps_bad: bool = False
    places: tuple[str, ...] = ()


def checked_ddl(places: tuple[str, ...]) -> str:
    """Return the schema of checked rows, as Spark writes it."""
    return _write_ddl(COLUMNS, places)


def judged_ddl(places: tuple[str, ...]) -> str:
    """Return the schema of judged rows, as Spark writes it."""
    return _write_ddl((*ID_COLUMNS, *JUDGED_COLUMNS), places)


def checked_to_arrow(rows: pd.DataFrame, batch: Batch, places: tuple[str, ...]) -> pa.Table:
    """Return checked rows of a batch as Spark takes them back."""
    return _to_arrow(rows, COLUMNS, batch, places)


def judged_to_arrow(rows: pd.DataFrame, batch: Batch, places: tuple[str, ...]) -> pa.Table:
    """Return judged rows of a batch as Spark takes them back."""
    return _to_arrow(rows, (*ID_COLUMNS, *JUDGED_COLUMNS), batch, places)


def read_batch(batch: Batch, source: str) -> RawTable:
    """Return the rows of a batch as those of a Parquet file are read: nothing repaired, an empty text is missing.

    Raises `UnreadableFile`: letters in it are no UTF-8.

    >>> read_batch(pa.table({"title": ["Bag", ""]}), "shop").frame["title"].tolist()
    ['Bag', nan]
    """
    try:
        (table,) = number_batches([batch])
    except pa.ArrowException as error:
        raise UnreadableFile(source, str(error).split("\n")[0], "text in UTF-8") from error
    if BROKEN not in table.frame:
        return table
    frame = table.frame
    broken = {int(str(row)): text for row, text in frame.pop(BROKEN).dropna().items()}
    problems = [Problem(row, "", show(text), "as many cells as the header has") for row, text in broken.items()]
    return RawTable(frame.drop(index=list(broken)), tuple(problems), broken)


def check_batch(batch: Batch, reading: RowReading, scorer: Scorer | None = None) -> pd.DataFrame:
    """Return the rows of a batch in canonical form, with `problems` (None where there are none) and `raw`.

    They are indexed by their places in the batch, from 0. Bad are also those that a given scorer cannot read.

    Raises
    ------
    Refused
        A row is bad, and bad rows are not to be kept.
    MissingColumns, Refused
        The columns are not those of listings.

    Examples
    --------
    >>> shop = pa.record_batch({"listing_id": ["1", "2"], "seller_id": ["s", "s"], "title": ["Bag", None]})
    >>> rows = check_batch(shop, RowReading("shop", keeps_bad=True))
    >>> rows["listing_id"].tolist(), rows["problems"].notna().tolist(), rows.loc[1, "problems"][0]["column"]
    (['1', '2'], [False, True], 'title')
    """
    content = batch.drop_columns(list(reading.places))
    is_row = np.ones(len(content), dtype=bool)
    if reading.form is Form.JSON_LINES:
        lines = content.column(0).to_pylist()
        is_row = np.array([line is not None and not line.isspace() and line != b"" for line in lines], dtype=bool)
        table = read_json_lines([line for line, is_one in zip(lines, is_row, strict=True) if is_one])
    else:
        table = read_batch(content, reading.source)
    mapped, unknown = _map_columns(table, reading)
    validation = validate_rows(mapped, reading.source).reject([*table.problems, *unknown])
    if scorer is not None:
        validation = validation.reject(scorer.find_problems(validation.listings))
    rows = validation.listings.assign(problems=None, raw=None)
    if validation.problems:
        bad = _describe_bad(table, mapped, validation)
        if not reading.keeps_bad:
            raise refuse_rows(reading.source, len(bad), *_first_problem(bad))
        rows = pd.concat([rows, bad]).sort_index()
    return rows.set_axis(pd.Index(np.flatnonzero(is_row)[rows.index.to_numpy(dtype=int) - 1]))


def read_checked(table: Batch) -> pd.DataFrame:
    """Return checked rows that come back from Spark as they were."""
    rows: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return rows.assign(**read_cells(rows[list(COLUMNS)], FIELDS)[0])


def judge_rows(rows: pd.DataFrame, scorer: Scorer, portfolios: SellerPortfolios | None) -> pd.DataFrame:
    """Return checked rows with their scores instead of what they offer; bad rows have none."""
    is_good = rows["problems"].isna()
    good = rows if is_good.all() else rows[is_good]
    judged = rows[[*ID_COLUMNS, "problems", "raw"]]
    if good.empty:
        return judged.reindex(columns=[*judged.columns, *JUDGED_COLUMNS])
    return judged.join(scorer.score_frame(good[list(COLUMNS)], portfolios)[list(JUDGED_COLUMNS)])


def read_json_lines(lines: list[bytes]) -> RawTable:
    """Return lines read by the rules of a file of JSON lines: through one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        path.write_bytes(b"\n".join(lines))
        (table,) = read_tables(path, None)
        return table


def _map_columns(table: RawTable, reading: RowReading) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    if reading.columns is not None:
        return reading.columns.apply(table.frame, source=reading.source, is_sparse=table.is_sparse)
    if not table.is_sparse:
        return table.frame, ()
    # A required column may be absent because no line of this batch has it: that is the fault of its lines.
    required = [field.name for field in FIELDS if field.is_required and field.name not in table.frame]
    return table.frame.reindex(columns=[*table.frame.columns, *required]), ()


def _describe_bad(table: RawTable, mapped: pd.DataFrame, validation: Validation) -> pd.DataFrame:
    """Return the bad rows: nothing of them but their id, what is wrong, and how they stand in the source."""
    index = pd.Index(validation.bad_rows, name=ROW)
    bad = pd.DataFrame({field.name: make_empty_column(index, field.kind) for field in FIELDS}, index=index)
    if "listing_id" in mapped:
        ids = mapped["listing_id"].reindex(index)
        bad["listing_id"] = pd.Series([show(name) or None for name in ids], index=index, dtype="str")
    problems: dict[int, list[dict[str, str]]] = {row: [] for row in index}
    for one in validation.problems:
        problems[one.row].append({"column": one.column, "value": one.value, "expected": one.expected})
    return bad.assign(problems=pd.Series(problems), raw=pd.Series(keep_rows(table, list(index)), dtype=object))


def refuse_rows(source: str, n_rows: int, listing_id: str, problem: Problem) -> Refused:
    """Return the error that names the first bad row of a source without row numbers, such as a table on a cluster."""
    return Refused(
        source,
        f"{n_rows:,} bad row{'s' * (n_rows != 1)}, such as listing {listing_id!r}: "
        f"{problem.column or 'the row'}: {problem.value!r}",
        problem.expected,
        "Mend them, or say where to keep them apart.",
    )


def _first_problem(bad: pd.DataFrame) -> tuple[str, Problem]:
    row, first = bad.index[0], bad["problems"].iloc[0][0]
    return str(bad["listing_id"].fillna("").iloc[0]), Problem(int(row), **first)


def _write_ddl(columns: tuple[str, ...], places: tuple[str, ...]) -> str:
    named = [f"{name} {_TYPES[name]}" for name in columns]
    return ", ".join([*named, _FAULTS_DDL, *(f"{name} bigint" for name in places)])


def _to_arrow(rows: pd.DataFrame, columns: tuple[str, ...], batch: Batch, places: tuple[str, ...]) -> pa.Table:
    types = {name: _ARROW.get(_TYPES[name], pa.float64()) for name in columns}
    table = to_arrow(rows[list(types)], pa.schema(types))
    for name, kind in _FAULTS.items():
        is_missing = rows[name].isna().to_numpy()  # None, or NaN once Spark had the rows in between
        cells = pa.array([None if gone else cell for gone, cell in zip(is_missing, rows[name], strict=True)], kind)
        table = table.append_column(name, cells)
    at = pa.array(rows.index.to_numpy(dtype="int64"))
    for name in places:
        table = table.append_column(pa.field(name, pa.int64()), batch.column(name).take(at))
    return table


_PATH = "_metadata.file_path"
_PLAIN = TextFormat()
_EXPECTED = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet or a folder of Parquet files, where every worker can read it"


def read_source(session: SparkSession, source: str | Path, text: TextFormat = _PLAIN) -> tuple[DataFrame, Form]:
    """Return the rows of a file or folder as a frame that is read when it is needed, and how they stand in it.

    Parameters
    ----------
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
        remedy = "utf-8 for Spark: write the file anew with `ipml data validate FILE --columns MAP --out GOOD`"
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
