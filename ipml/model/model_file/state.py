"""State: what a classifier has learnt, as a file of plain values and arrays without code, and back.

The file is a zip. `state.json` holds texts, numbers and lists as JSON has them; anything else is an object of one key
that names its kind: `{"dict": …}`, `{"tuple": […]}`, `{"array": 3}` for the array in `3.npy`, `{"Spelling": …}` for an
estimator, and `{"own": …}` for a user's own transformer, written by `own_state`. Arrays are numpy's, without Python
objects. Everything is checked from the outside in before anything is constructed, and `tables` checks every number
before anything is scored.

**Trust.** Estimators are those of the constant `ESTIMATORS` and registered classes, never named by a file. A class
belongs there only if neither its `__setstate__` nor scoring can run an attacker's code, with any state. An external
estimator is stored as bytes, opened only with what the loader trusts (`ipml.model.external.source`).

**One spelling.** The same classifier gives the same bytes, in any process with the same libraries: its version is their
hash.

**Learners of scikit-learn.** One that is not linear is stored by skops, `{"skops": …}`, whose bytes vary. It is loaded
only with a signed manifest, since compiled code of other libraries trusts its input, and only if all its types are
trusted by skops or named below.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.errors import UntrustedModel, first_line
from ipml.features.figures import ListingFeatures, MissingFields, PictureFeatures, PriceFeatures, SellerFeatures
from ipml.features.goods import BrandFeatures, GoodsFeatures
from ipml.features.images import ImageVectors, TextVectors
from ipml.features.lexicon import TradeWords
from ipml.features.offers import OfferFeatures
from ipml.features.own import OwnFeatures, is_dropped
from ipml.features.portfolio import SellerPortfolios
from ipml.features.spelling import Spelling
from ipml.features.text import TextFeatures
from ipml.model.calibration import HierarchicalCalibration, SigmoidCalibration
from ipml.model.external import EstimatorSource, ExternalClassifier
from ipml.model.familiarity import Familiarity
from ipml.model.learner.other import OtherLearner
from ipml.model.model_file.own_state import OwnStateReader, OwnStateWriter
from ipml.model.model_file.tables import UnsoundTable, check_tables
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.regression import LinearLearner
from ipml.model.stages import Features, SecondStage

MODEL, STATE = "model.zip", "state.json"
ESTIMATORS = {
    kind.__name__: kind
    for kind in (
        *(CounterfeitClassifier, Features, LinearLearner, SecondStage, Spelling, SellerPortfolios, Familiarity),
        *(HierarchicalCalibration, SigmoidCalibration),
        *(ExternalClassifier, EstimatorSource),
        *(TextFeatures, TradeWords, BrandFeatures, GoodsFeatures, OfferFeatures),
        *(PriceFeatures, ListingFeatures, SellerFeatures, PictureFeatures, ImageVectors, TextVectors),
        *(MissingFields, OwnFeatures),
    )
}
SKOPS_TYPES = [f"{kind.__module__}.{kind.__qualname__}" for kind in ESTIMATORS.values()]
"""Their full names: what skops has to trust where somebody else saves a classifier by it, as MLflow does."""

# Without these limits a file of 0.5 MB can ask for more than a gigabyte.
MAX_BYTES = 512 << 20
MAX_ENTRIES = 2_000
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 200  # of unpacked to packed bytes
MAX_STATE_BYTES = 32 << 20  # JSON grows some twentyfold when it becomes objects

_FOREIGN = ("transformer", "transformer_")  # what `OwnFeatures` holds of classes that are not ipml's
_PLAIN = (type(None), bool, int, float, str)
_ENTRY_NAME = re.compile(r"state\.json|[0-9]{1,20}\.npy")
_CENTRAL_HEADER = b"PK\x01\x02"  # every entry that zipfile lists begins with it (APPNOTE.TXT 4.3.12)
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: when a model was written says nothing of it
_UNIX = 3
_OF_SCIKIT_LEARN = ("_metadata_request", "_sklearn_output_config")  # which no score depends on
_TRUSTED = [  # besides what skops trusts: the parts of trees, calibrated classifiers and neural networks
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
]


def pack(classifier: object) -> bytes:
    """Return a classifier as the bytes of a model file, deflated unless that would look like a zip bomb.

    Raises `TypeError` for values that such a file cannot hold.

    >>> packed = pack(SigmoidCalibration().fit(np.array([-1.0, 1.0]), np.array([0, 1])))
    >>> unpack(packed, Path("model")).probability(np.zeros(1))
    array([0.5])
    """
    arrays: list[bytes] = []
    state = json.dumps(_describe(classifier, arrays), separators=(",", ":")).encode()
    entries = {f"{number}.npy": array for number, array in enumerate(arrays)} | {STATE: state}
    packed = _zip(entries, zipfile.ZIP_DEFLATED)
    unpacked_bytes = sum(map(len, entries.values()))
    return packed if unpacked_bytes <= MAX_RATIO * len(packed) else _zip(entries, zipfile.ZIP_STORED)


def _describe(value: Any, arrays: list[bytes]) -> Any:
    """Return a value as JSON has it, and append its arrays."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [_describe(item, arrays) for item in value]
    if kind is tuple:
        return {"tuple": [_describe(item, arrays) for item in value]}
    if kind is dict and all(type(key) is str for key in value):
        return {"dict": {key: _describe(item, arrays) for key, item in value.items()}}
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        file = io.BytesIO()
        np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        arrays.append(file.getvalue())
        return {"array": len(arrays) - 1}
    if kind is OtherLearner:
        packed = np.frombuffer(_dump_learner(value.estimator), np.uint8)
        return {"skops": {"estimator": _describe(packed, arrays), "columns": _describe(value.columns, arrays)}}
    if ESTIMATORS.get(kind.__name__) is kind:
        state = {name: item for name, item in value.__getstate__().items() if name not in _OF_SCIKIT_LEARN}
        foreign = _FOREIGN if kind is OwnFeatures else ()
        if kind is CounterfeitClassifier and (learner := state.pop("learner", None)) is not None:
            state["learner"] = " ".join(repr(learner).split())  # scoring needs no more of it than what it has learnt
        if kind is CounterfeitClassifier and (features := state.get("features")) is not None:
            kept = [pair for pair in features.transformer_list if not is_dropped(pair[1])]
            state["features"] = Features(kept, features.transformer_weights)  # it may be a FeatureUnion
        return {
            kind.__name__: {
                name: {"own": OwnStateWriter(arrays).write(item)} if name in foreign else _describe(item, arrays)
                for name, item in state.items()
            }
        }
    raise TypeError(f"{kind.__module__}.{kind.__qualname__}")


def list_extractors(classifier: Any) -> dict[str, str]:
    """Return the registered classes in a classifier with the versions of their states."""
    writer = OwnStateWriter([])
    for _, extractor in getattr(getattr(classifier, "features_", None), "transformer_list", ()):
        if isinstance(extractor, OwnFeatures):
            writer.write([getattr(extractor, name, None) for name in _FOREIGN])
    return dict(sorted(writer.registered.items()))


def _dump_learner(estimator: Any) -> bytes:
    """Return a fitted learner of scikit-learn in the format of skops."""
    name = f"a {type(estimator).__name__} that is not linear"
    try:
        from skops.io import dumps, loads
    except ImportError:
        raise TypeError(f"{name}, without skops to save it (pip install 'ipml[train]'),") from None
    try:
        packed: bytes = dumps(estimator)
        loads(packed, trusted=_TRUSTED)
    except Exception as error:  # of a library that skops does not know, anything
        raise TypeError(f"{name}, which skops cannot save ({first_line(error)}),") from error
    return packed


def _load_learner(content: Any, arrays: dict[str, NDArray[Any]], folder: Path, is_signed: bool) -> OtherLearner:
    if not is_signed:
        found, expected = (
            "a learner of scikit-learn that is not linear",
            "a manifest signed with a key (IPML_MODEL_KEY)",
        )
        raise UntrustedModel(folder, found, expected, "Save and load it with a key.")
    from skops.io import loads

    packed, columns = (_construct(content[name], arrays, folder) for name in ("estimator", "columns"))
    return OtherLearner(loads(packed.tobytes(), trusted=_TRUSTED), columns)


def _zip(entries: dict[str, bytes], compression: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _FIRST_MOMENT)
            entry.compress_type, entry.create_system = compression, _UNIX
            archive.writestr(entry, content)
    return packed.getvalue()


def unpack(packed: bytes, folder: Path, *, is_signed: bool = False) -> Any:
    """Return the classifier in a model file; only with a signed manifest may it hold a learner of scikit-learn.

    Raises `UntrustedModel`: the file is no zip within the limits, names unknown estimators, or holds tables that the
    engine cannot read safely.
    """
    entries = _unzip(packed, folder)
    arrays = {name: read_array(content, folder) for name, content in entries.items() if name != STATE}
    try:
        classifier = _construct(json.loads(entries[STATE]), arrays, folder, is_signed)
        check_tables(classifier)
    except UntrustedModel:
        raise
    except UnsoundTable as error:
        raise UntrustedModel(
            folder, f"{error} in {MODEL}", "tables that fit together, as training writes them"
        ) from None
    except Exception as error:  # a crafted state can make any `__setstate__` raise anything
        raise UntrustedModel(folder, f"{MODEL} that cannot be read ({first_line(error)})") from error
    return classifier


def read_skops(packed: bytes, folder: Path) -> CounterfeitClassifier:
    """Return a classifier saved by skops, as MLflow does, after the checks of our files.

    Raises `UntrustedModel`: the file is something else, holds types other than `SKOPS_TYPES`, or tables that the
    engine cannot read safely.
    """
    from skops.io import loads

    try:
        loaded = loads(packed, trusted=SKOPS_TYPES)
        repacked = pack(loaded)
    except Exception as error:  # a crafted file can make any `__setstate__` raise anything
        expected = "a CounterfeitClassifier that skops saved"
        raise UntrustedModel(folder, f"a file that cannot be read ({first_line(error)})", expected) from error
    classifier = unpack(repacked, folder)
    if not isinstance(classifier, CounterfeitClassifier):
        raise UntrustedModel(folder, f"a {type(loaded).__name__}", "a CounterfeitClassifier")
    return classifier


def _construct(value: Any, arrays: dict[str, NDArray[Any]], folder: Path, is_signed: bool = False) -> Any:
    if type(value) in _PLAIN:
        return value
    if type(value) is list:
        return [_construct(item, arrays, folder, is_signed) for item in value]
    ((kind, content),) = value.items()
    if kind == "skops":
        return _load_learner(content, arrays, folder, is_signed)
    if kind == "tuple":
        return tuple(_construct(item, arrays, folder, is_signed) for item in content)
    if kind == "array":
        array = arrays[f"{content:d}.npy"]
        return array if array.ndim else array[()]
    if kind == "own":
        return OwnStateReader(arrays, folder).read(content)
    items = {name: _construct(item, arrays, folder, is_signed) for name, item in content.items()}
    if kind == "dict":
        return items
    if kind not in ESTIMATORS:
        raise UntrustedModel(folder, f"{kind[:80]!r} in {MODEL}", "estimators that ipml knows")
    estimator = ESTIMATORS[kind].__new__(ESTIMATORS[kind])
    if hasattr(estimator, "__setstate__"):
        estimator.__setstate__(items)
    else:
        vars(estimator).update(items)
    return estimator


def _unzip(packed: bytes, folder: Path) -> dict[str, bytes]:
    """Return the entries by name, each up to its declared size, after a check of all declared sizes."""
    if packed.count(_CENTRAL_HEADER) > MAX_ENTRIES:
        raise UntrustedModel(folder, f"{MODEL} of more than {MAX_ENTRIES:,} entries", "no more than that")
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            _check_names([entry.filename for entry in archive.infolist()], folder)
            _check_sizes(archive.infolist(), len(packed), folder)
            return {entry.filename: _read_entry(archive, entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise UntrustedModel(folder, f"{MODEL} that is no sound zip ({first_line(error)})") from None


def _check_names(names: list[str], folder: Path) -> None:
    foreign = [name for name in names if not _ENTRY_NAME.fullmatch(name)]
    if foreign or len(set(names)) < len(names) or STATE not in names:
        found = f"an entry {foreign[0][:80]!r}" if foreign else "doubled or missing entries"
        raise UntrustedModel(folder, f"{found} in {MODEL}", f"one {STATE} and arrays")


def _check_sizes(entries: list[zipfile.ZipInfo], packed_bytes: int, folder: Path) -> None:
    """Refuse declared sizes beyond the limits, before anything is unpacked."""
    unpacked_bytes = sum(entry.file_size for entry in entries)
    if unpacked_bytes > min(MAX_UNPACKED_BYTES, MAX_RATIO * packed_bytes):
        raise UntrustedModel(
            folder,
            f"{MODEL} that unpacks from {packed_bytes:,} to {unpacked_bytes:,} bytes",
            f"at most {MAX_RATIO} times the size and {MAX_UNPACKED_BYTES:,} bytes",
        )
    if any(entry.filename == STATE and entry.file_size > MAX_STATE_BYTES for entry in entries):
        raise UntrustedModel(folder, f"{STATE} of more than {MAX_STATE_BYTES:,} bytes in {MODEL}")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise UntrustedModel(folder, f"an unusual compression in {MODEL}", "deflated or stored entries")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read the declared size; `archive.read` would inflate everything."""
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
    if len(content) != entry.file_size:
        raise EOFError(f"{entry.filename} is cut off")
    return content


def read_array(content: bytes, folder: Path) -> NDArray[Any]:
    """Return an array; before constructing it, refuse Python objects and a header that disagrees with its size."""
    file = io.BytesIO(content)
    try:
        major = np.lib.format.read_magic(file)[0]
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
        shape, is_by_columns, dtype = read_header(file)
    except Exception as error:  # a crafted header can make numpy's parser raise anything
        raise UntrustedModel(folder, f"an array without a sound header in {MODEL}") from error
    if dtype.hasobject or min(shape, default=0) < 0:
        raise UntrustedModel(folder, f"an array of {dtype} and shape {shape} in {MODEL}", "numbers")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise UntrustedModel(folder, f"an array whose size is not that of its shape {shape} in {MODEL}")
    return np.ndarray(shape, dtype, content, file.tell(), order="F" if is_by_columns else "C").copy("K")
