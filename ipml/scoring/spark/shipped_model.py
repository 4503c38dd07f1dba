"""Shipped model: a model sent to the workers of a Spark job, and loaded there after the usual checks.

The archive that travels is not trusted: a worker accepts only the model whose manifest the driver named.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from ipml.errors import UnreadableFile, UntrustedModel
from ipml.features.portfolio import SellerPortfolios
from ipml.features.registration import register_extractor
from ipml.kit.canonical_json import digest
from ipml.model.model_file import load_model as load_artifact
from ipml.model.model_file import manifest_sha256, read_card
from ipml.model.model_file.folder import MANIFEST, find_folder, read_folder
from ipml.scoring.portfolio_store import read_store
from ipml.scoring.scorer import Scorer, load_model, make_scorer
from ipml.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SENT = "the one that the driver sent"


@dataclass(frozen=True)
class ShippedModel:
    """A model that every worker of a session can load, and how it knows that it has the right one.

    Attributes
    ----------
    archive : str
        Name under which Spark unpacks the model folder on each machine.
    manifest : str
        SHA-256 of the model's manifest, which covers every byte of it.
    version : str
        As every score carries it.
    most_width : float or None
        The widest interval with which a score is given; the driver's setting, not that of the worker's machine.
    trusted : str
        Types that a model that ipml did not train may need; the driver's setting.
    store, store_sha256 : str or None
        Name of the file of sellers' portfolios on each machine, and its SHA-256.
    extractors : tuple of str
        The classes of extractors that the driver had registered, and that the workers register.
    """

    archive: str
    manifest: str
    version: str
    most_width: float | None
    trusted: str = ""
    store: str | None = None
    store_sha256: str | None = None
    extractors: tuple[str, ...] = ()


def ship_model(
    session: SparkSession, model: str | Path, settings: Settings, portfolios: Path | None = None
) -> ShippedModel:
    """Verify a model, and have Spark bring it to every machine of the session.

    Parameters
    ----------
    model : str or Path
        As for `ipml.scoring.scorer.load_model`.
    settings : Settings
        Those of the driver.
    portfolios : Path, optional
        A file that `ipml data portfolios` wrote with the same model.

    Raises
    ------
    NotFound, UntrustedModel, UnreadableFile
        Nothing has been sent then.
    """
    folder = _find_model(model, settings)
    scorer = load_model(folder, settings)
    extractors = tuple(read_card(folder).extractors)
    contents = read_folder(folder)
    manifest = digest(contents[MANIFEST])
    store, store_sha256 = (None, None) if portfolios is None else _ship_store(session, portfolios, scorer.version)
    return ShippedModel(
        archive=_ship(session, f"ipml-model-{manifest[:16]}.zip", _zip(contents), is_archive=True),
        manifest=manifest,
        version=scorer.version,
        most_width=scorer.most_width,
        trusted=settings.trusted_models,
        extractors=extractors,
        store=store,
        store_sha256=store_sha256,
    )


@lru_cache(maxsize=2)
def load_shipped(model: ShippedModel) -> tuple[Scorer, SellerPortfolios | None]:
    """Return the scorer and the portfolios on a worker; once for each Python process, since loading takes time.

    Raises `UntrustedModel`: the archive is not the one that the driver sent, or `load_model` refuses it.
    """
    from pyspark import SparkFiles

    _use_one_thread()
    folder = Path(SparkFiles.get(model.archive))
    if manifest_sha256(folder) != model.manifest:
        raise UntrustedModel(folder, f"a {MANIFEST} that has changed", _SENT)
    for name in model.extractors:
        register_extractor(name)
    loaded = load_artifact(folder, trusted=model.trusted)
    if loaded.card.full_version != model.version:
        raise UntrustedModel(folder, f"a {MANIFEST} that has changed", _SENT)
    scorer = make_scorer(loaded.classifier, model.version, model.most_width, loaded.digest)
    return scorer, None if model.store is None else _load_store(Path(SparkFiles.get(model.store)), model)


def _find_model(source: str | Path, settings: Settings) -> Path:
    if str(source).startswith("models:"):
        from ipml.model.tracking import resolve_model  # MLflow is loaded only for its registry

        return find_folder(resolve_model(str(source), settings.tracking, settings.trusted_models))
    return find_folder(source)


def _load_store(path: Path, model: ShippedModel) -> SellerPortfolios:
    if digest(path.read_bytes()) != model.store_sha256:
        raise UnreadableFile(path, "other portfolios", _SENT)
    return read_store(path, model.version).portfolios


def _ship_store(session: SparkSession, path: Path, version: str) -> tuple[str, str]:
    read_store(path, version)
    content = path.read_bytes()
    sha256 = digest(content)
    return _ship(session, f"ipml-portfolios-{sha256[:16]}.npz", content), sha256


def _ship(session: SparkSession, name: str, content: bytes, *, is_archive: bool = False) -> str:
    """Send a file under a name made from its content, once a session; Spark removes the copy with the session."""
    from pyspark import SparkFiles

    context = session.sparkContext
    place = Path(SparkFiles.getRootDirectory(), "sent", name)
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        (context.addArchive if is_archive else context.addFile)(str(place))
    return name


def _zip(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _use_one_thread() -> None:
    """Let the process use one core: Spark runs a process for each core it was given, and no more are ours."""
    import pyarrow as pa
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    pa.set_cpu_count(1)
