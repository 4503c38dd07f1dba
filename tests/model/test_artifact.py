"""A model file is believed only after every check, and none of its bytes is ever run."""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import json
import os
import pathlib
import pickle
import shutil
import struct
import sys
import time
import tracemalloc
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

import ipml
from ipml.errors import (
    GoldenMismatch,
    IpmlError,
    ModelChanged,
    ModelNotFound,
    NotAModelFolder,
    SignatureMismatch,
    UntrustedModel,
    UnusableSetting,
    VersionMismatch,
)
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model import artifact
from ipml.model.artifact import GOLDEN_LISTINGS, load_model, manifest_sha256, read_card, save_model
from ipml.model.metrics import Estimate
from ipml.model.pipeline import CounterfeitClassifier

FACTS: dict[str, Any] = {
    "name": "ipml-test",
    "data_digest": "0123456789abcdef",
    "experiment": {"seed": 3, "text": {"bits": 8}},
    "figures": {"average_precision": Estimate(0.7, 0.6, 0.8)},
}


def fit_classifier(inverse_penalty: float = 1.0) -> Pipeline:
    """A real classifier of types that skops trusts by itself, so that these tests are about the file."""
    titles = ColumnTransformer([("title", HashingVectorizer(n_features=64), "title")])
    labels = [False, True] * (len(GOLDEN_LISTINGS) // 2)
    classifier = Pipeline([("titles", titles), ("model", LogisticRegression(C=inverse_penalty))])
    return classifier.fit(listings_to_frame(GOLDEN_LISTINGS), labels)


CLASSIFIER = fit_classifier()
FRAME = listings_to_frame(GOLDEN_LISTINGS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model."""
    save_model(CLASSIFIER, tmp_path / "model", **FACTS)
    return tmp_path / "model"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with a secret."""
    path = tmp_path / "key"
    path.write_text("0" * 64 + "\n")
    return path


def reseal(folder: Path, **files: bytes) -> None:
    """Change files and write card and manifest anew, as one who can write to the folder would."""
    if "model" in files:
        (folder / "model.skops").write_bytes(files["model"])
        card = json.loads((folder / "card.json").read_bytes())
        card["version"] = hashlib.sha256(files["model"]).hexdigest()[:12]
        (folder / "card.json").write_bytes(artifact._to_json(card))
    if "card" in files:
        (folder / "card.json").write_bytes(files["card"])
    contents = {name: (folder / name).read_bytes() for name in ("model.skops", "card.json")}
    (folder / "manifest.json").write_bytes(artifact._make_manifest(contents))


def edit_card(folder: Path, **changes: Any) -> None:
    """Change fields of the card, and seal the folder again."""
    card = json.loads((folder / "card.json").read_bytes())
    reseal(folder, card=artifact._to_json(card | changes))


def edit_schema(folder: Path, old: str, new: str) -> None:
    """Replace text in the schema inside the model file, and seal the folder again."""
    packed = io.BytesIO()
    with zipfile.ZipFile(folder / "model.skops") as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old in content.decode()
                content = content.decode().replace(old, new).encode()
            target.writestr(name, content)
    reseal(folder, model=packed.getvalue())


# What is saved comes back


def test_loaded_model_scores_the_same(folder: Path) -> None:
    """The log-odds of a loaded model are those of the model saved, bit by bit."""
    loaded = load_model(folder)
    assert np.array_equal(loaded.classifier.decision_function(FRAME), CLASSIFIER.decision_function(FRAME))


def test_card_comes_back(tmp_path: Path) -> None:
    """The card that `save_model` returns is the card of the loaded model, and can be read without loading."""
    card = save_model(CLASSIFIER, tmp_path / "model", **FACTS)
    assert card == load_model(tmp_path / "model").card == read_card(tmp_path / "model")
    assert card.figures["average_precision"] == Estimate(0.7, 0.6, 0.8)
    assert card.created_at.utcoffset().total_seconds() == 0


def test_version_names_the_content(folder: Path) -> None:
    """The version of a model is the beginning of the SHA-256 of its file."""
    digest = hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()
    assert read_card(folder).full_version == f"ipml-test/{digest[:12]}"


def test_a_model_is_replaced_as_a_whole(folder: Path) -> None:
    """Saving over a model leaves the new one and nothing beside it."""
    save_model(fit_classifier(0.01), folder, **FACTS)
    assert load_model(folder).classifier.named_steps["model"].C == 0.01
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_very_repetitive_model_is_saved_and_loaded(tmp_path: Path) -> None:
    """A model of zeros does not look like a bomb to its own loader."""
    classifier = fit_classifier()
    classifier.named_steps["model"].unused_ = np.zeros(1_000_000)
    save_model(classifier, tmp_path / "model", **FACTS)
    assert load_model(tmp_path / "model").classifier.named_steps["model"].unused_.shape == (1_000_000,)


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder that holds anything but a model is not replaced."""
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(NotAModelFolder, match="letters"):
        save_model(CLASSIFIER, tmp_path, **FACTS)
    assert (tmp_path / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "../up", "/etc", "a/b", "a\n", "-a", "a" * 101])
def test_a_model_has_a_plain_name(tmp_path: Path, name: str) -> None:
    """A name that could be a path, an option or two lines is refused, and nothing is written."""
    with pytest.raises(UnusableSetting, match="name"):
        save_model(CLASSIFIER, tmp_path / "model", **FACTS | {"name": name})
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    """NaN is not written into a card."""
    with pytest.raises(UnusableSetting):
        save_model(CLASSIFIER, tmp_path / "model", **FACTS | {"figures": {"brier": Estimate(np.nan, 0, 1)}})


def test_a_classifier_of_other_types_is_not_saved(tmp_path: Path) -> None:
    """What the loader would refuse is refused when it is saved, and an older model stays."""
    classifier = fit_classifier()
    classifier.named_steps["model"].extra_ = pathlib.PurePosixPath("/")
    with pytest.raises(UntrustedModel, match="PurePosixPath"):
        save_model(classifier, tmp_path / "model", **FACTS)
    assert list(tmp_path.iterdir()) == []


def test_golden_listings_are_valid() -> None:
    """The golden listings keep the rules of the schema, so that every model can be asked about them."""
    assert len(check_listings(FRAME)) == len(GOLDEN_LISTINGS)


# The real classifier


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier that ipml trains, saved."""
    listings = FRAME.assign(seller_id=[str(number) for number in range(len(FRAME))])
    classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * (len(FRAME) // 2))
    folder = tmp_path_factory.mktemp("real") / "model"
    save_model(classifier, folder, **FACTS)
    return folder


def test_the_real_classifier_is_made_of_trusted_types(real_folder: Path) -> None:
    """The constant list holds the types in a saved classifier that skops does not trust itself, and no more."""
    untrusted = skops.io.get_untrusted_types(file=real_folder / "model.skops")
    assert sorted(untrusted) == sorted(artifact.TRUSTED_TYPES)


def test_the_real_classifier_comes_back(real_folder: Path) -> None:
    """A loaded classifier gives the golden listings the log-odds in its card, and probabilities."""
    loaded = load_model(real_folder)
    assert loaded.classifier.decision_function(FRAME).tolist() == list(loaded.card.golden_log_odds)
    assert ((loaded.classifier.predict_proba(FRAME) >= 0) & (loaded.classifier.predict_proba(FRAME) <= 1)).all()


# M1: nothing is run


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (pathlib.Path.touch, (self.marker,))


def skops_naming(module: str, name: str, marker: Path, loader: str = "ObjectNode") -> bytes:
    """A skops file that asks for a type or function which is none of ours."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True}
    arguments = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [text | {"content": json.dumps(str(marker)), "__id__": 2}],
        "__id__": 3,
    }
    schema = {
        "__class__": name,
        "__module__": module,
        "__loader__": loader,
        "content": arguments,
        "__id__": 1,
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return packed.getvalue()


def object_array(payload: Payload) -> bytes:
    """An array file that holds the payload as an object."""
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


def zip_of(**entries: bytes) -> bytes:
    """A zip of these entries; `_` stands for a dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


DISGUISES = {
    "model.pkl": lambda marker: {"model.pkl": pickle.dumps(Payload(marker))},
    "model.joblib": lambda marker: {"model.joblib": pickle.dumps(Payload(marker))},
    "compressed joblib": lambda marker: {"model.joblib": gzip.compress(pickle.dumps(Payload(marker)))},
    "objects.npy": lambda marker: {"weights.npy": object_array(Payload(marker))},
    "MLmodel": lambda marker: {
        "MLmodel": b"flavors:\n  sklearn:\n    pickled_model: model.pkl\n",
        "model.pkl": pickle.dumps(Payload(marker)),
    },
    "MLmodel upwards": lambda marker: {"MLmodel": b"flavors:\n  sklearn:\n    pickled_model: ../../model.pkl\n"},
    "pickle as skops": lambda marker: {"model.skops": pickle.dumps(Payload(marker))},
    "pickle as json": lambda marker: {"card.json": pickle.dumps(Payload(marker))},
    "pickle as manifest": lambda marker: {"manifest.json": pickle.dumps(Payload(marker))},
    "objects within": lambda marker: {
        "model.skops": zip_of(schema_json=b"{}", **{"1_npy": object_array(Payload(marker))})
    },
    "type of posix": lambda marker: {"model.skops": skops_naming("posix", "system", marker)},
    "function of posix": lambda marker: {"model.skops": skops_naming("posix", "system", marker, "FunctionNode")},
    "constructor": lambda marker: {
        "model.skops": skops_naming("pathlib", "Path.touch", marker, "ConstructorFromReduceNode")
    },
    "open": lambda marker: {"model.skops": skops_naming("builtins", "open", marker, "ConstructorFromReduceNode")},
}


@pytest.mark.parametrize("is_resealed", [False, True], ids=["as found", "resealed"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_payload_is_refused_and_not_run(folder: Path, tmp_path: Path, disguise: str, is_resealed: bool) -> None:
    """Whatever an attacker puts into the folder, and even with a fitting manifest, none of it is run."""
    marker = tmp_path / "MARKER"
    for name, content in DISGUISES[disguise](marker).items():
        (folder / name).write_bytes(content)
    if is_resealed and disguise not in ("pickle as json", "pickle as manifest"):
        reseal(folder, model=(folder / "model.skops").read_bytes())
    with pytest.raises((UntrustedModel, ModelChanged)):
        load_model(folder)
    assert not marker.exists()


def test_the_payload_would_run_elsewhere(tmp_path: Path) -> None:
    """The marker of these tests works: a loader that unpickles does touch it."""
    marker = tmp_path / "MARKER"
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()


def test_only_our_own_types_are_trusted() -> None:
    """The constant list names classes of ipml's model half and nothing else."""
    assert all(name.startswith(("ipml.features.", "ipml.model.")) for name in artifact.TRUSTED_TYPES)


UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal"}
UNSAFE_CALLS = {"read_pickle", "get_untrusted_types"}


def unsafe_loads(source: str) -> list[str]:
    """Name what in a source file could run a pickle, or trust what a file says of itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            found += [module for module in modules if module.split(".")[0] in UNSAFE_MODULES]
            found += [module for module in modules if module.split(".")[0] == "joblib" and "load" in names]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            allows = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            if (
                called.split(".")[-1] in UNSAFE_CALLS
                or called == "joblib.load"
                or (called.startswith("mlflow.") and called.endswith("load_model"))
                or allows
            ):
                found.append(called)
    return found


def test_no_pickle_is_loaded_anywhere() -> None:
    """No file of the package loads pickles, or loads a model in another way than through the checks."""
    package = Path(ipml.__file__).parent
    found = {str(path.relative_to(package)): unsafe_loads(path.read_text()) for path in package.rglob("*.py")}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "joblib.load(path)",
        "np.load(path, allow_pickle=True)",
        "mlflow.pyfunc.load_model(uri)",
        "pd.read_pickle(path)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    """Each way to load a pickle would be found."""
    assert unsafe_loads(line)


# M2: nothing is changed


@pytest.mark.parametrize("name", ["model.skops", "card.json", "manifest.json", "manifest.hmac"])
def test_a_flipped_bit_is_refused(tmp_path: Path, key_file: Path, name: str) -> None:
    """One bit in the middle of any file is enough to refuse the model."""
    save_model(CLASSIFIER, tmp_path / "model", key_file=key_file, **FACTS)
    path = tmp_path / "model" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises((ModelChanged, SignatureMismatch)):
        load_model(tmp_path / "model", key_file=key_file)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_byte_of_the_manifest_is_free(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A manifest with any one byte replaced is refused."""
    folder = tmp_path_factory.mktemp("any") / "model"
    shutil.copytree(one_model(tmp_path_factory), folder)
    content = bytearray((folder / "manifest.json").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises((ModelChanged, UntrustedModel)):
        load_model(folder)


def one_model(factory: pytest.TempPathFactory) -> Path:
    """A model that is saved once for all examples of a property, and only copied."""
    folder = factory.getbasetemp() / "one-model"
    if not folder.exists():
        save_model(CLASSIFIER, folder, **FACTS)
    return folder


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "MLmodel", "model.skops.bak"])
def test_an_extra_file_is_refused(folder: Path, name: str) -> None:
    """A file that is not in the manifest is refused, by name."""
    (folder / name).write_text("x")
    with pytest.raises(UntrustedModel, match=name):
        load_model(folder)


@pytest.mark.parametrize("name", ["model.skops", "card.json", "manifest.json"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    """A model without one of its files is refused, by name."""
    (folder / name).unlink()
    with pytest.raises(UntrustedModel, match=name):
        load_model(folder)


def test_a_signed_model_loads_with_its_key(tmp_path: Path, key_file: Path) -> None:
    """With the key it was signed with, and without any, a signed model loads."""
    save_model(CLASSIFIER, tmp_path / "model", key_file=key_file, **FACTS)
    assert load_model(tmp_path / "model", key_file=key_file).card == load_model(tmp_path / "model").card


def test_another_key_is_refused(tmp_path: Path, key_file: Path) -> None:
    """A model signed with another key is refused."""
    save_model(CLASSIFIER, tmp_path / "model", key_file=key_file, **FACTS)
    key_file.write_text("1" * 64)
    with pytest.raises(SignatureMismatch, match="another key"):
        load_model(tmp_path / "model", key_file=key_file)


def test_an_unsigned_model_is_refused_where_a_key_is_given(folder: Path, key_file: Path) -> None:
    """Leaving the signature away does not get round it."""
    with pytest.raises(SignatureMismatch, match="no signature"):
        load_model(folder, key_file=key_file)


def test_a_resealed_model_is_refused_where_a_key_is_given(tmp_path: Path, key_file: Path) -> None:
    """Who can write the manifest anew still lacks the key."""
    save_model(CLASSIFIER, tmp_path / "model", key_file=key_file, **FACTS)
    edit_card(tmp_path / "model", data_digest="another")
    with pytest.raises(SignatureMismatch):
        load_model(tmp_path / "model", key_file=key_file)


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_short_key_is_refused(folder: Path, tmp_path: Path, secret: str) -> None:
    """An empty or short key file is a mistake of the user, not a key."""
    (tmp_path / "short").write_text(secret)
    with pytest.raises(UnusableSetting, match="32 bytes"):
        load_model(folder, key_file=tmp_path / "short")


def test_a_state_that_scores_otherwise_is_refused(folder: Path) -> None:
    """A model whose golden listings score otherwise is refused even with a fitting manifest."""
    other = skops.io.dumps(fit_classifier(0.01))
    reseal(folder, model=other)
    with pytest.raises(GoldenMismatch):
        load_model(folder)


def test_a_model_without_log_odds_is_refused(folder: Path) -> None:
    """Something of trusted types that cannot score is refused in one line."""
    reseal(folder, model=skops.io.dumps([1, 2, 3]))
    with pytest.raises(GoldenMismatch, match="decision_function"):
        load_model(folder)


# M3: nothing outgrows its limit


@cache
def bomb_of_zeros() -> bytes:
    """0.3 MB that unpack to 300 MB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        with archive.open("1.npy", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    return packed.getvalue()


def bomb_with_lying_sizes() -> bytes:
    """The same, declaring 1,000 bytes in both tables of the zip."""
    packed, true_size = bytearray(bomb_of_zeros()), struct.pack("<L", 300 << 20)
    place = packed.rfind(b"PK\x01\x02") + 24
    assert packed[place : place + 4] == true_size
    packed[place : place + 4] = struct.pack("<L", 1_000)
    return bytes(packed)


def many_entries() -> bytes:
    """A zip of 100,001 entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", "{}")
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.npy"), b"")
    return packed.getvalue()


def array_claiming(shape: tuple[int, ...], body: bytes = bytes(80), descr: str = "<f8") -> bytes:
    """A model file with an array whose header claims a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return zip_of(schema_json=b"{}", **{"1_npy": file.getvalue() + body})


def long_schema() -> bytes:
    """A schema of 33 MB that would become gigabytes of lists."""
    return zip_of(schema_json=b"[" + b"[]," * (11 << 20) + b"[]]")


BOMBS = {
    "zeros": (bomb_of_zeros, "unpacks from"),
    "lying sizes": (bomb_with_lying_sizes, "no sound zip"),
    "many entries": (many_entries, "2,000 entries"),
    "huge shape": (lambda: array_claiming((1 << 40,)), "shape"),
    "overflowing shape": (lambda: array_claiming((1 << 33, 1 << 33)), "shape"),
    "negative shape": (lambda: array_claiming((-2, -5)), "shape"),
    "objects": (lambda: array_claiming((10,), descr="|O"), "array of object"),
    "zip as array": (lambda: zip_of(schema_json=b"{}", **{"1_npy": bomb_of_zeros()}), "sound header"),
    "nested zip": (lambda: zip_of(schema_json=b"{}", **{"1_npz": bomb_of_zeros()}), "an entry '1.npz'"),
    "long schema": (long_schema, "schema.json of more than"),
    "deep schema": (lambda: zip_of(schema_json=b"[" * 1_000_000), "cannot be read"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_quickly(folder: Path, name: str) -> None:
    """A file that would grow is refused in under a second, with less than 100 MB more of memory."""
    make, reason = BOMBS[name]
    reseal(folder, model=make())
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(UntrustedModel, match=reason):
        load_model(folder)
    seconds, peak_bytes = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1.0
    assert peak_bytes < 100 << 20


@given(
    header=st.binary(max_size=80),
    version=st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"]),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")  # numpy takes some nonsense for Python 2
def test_no_header_gets_through(header: bytes, version: bytes) -> None:
    """Whatever stands where the header of an array should be, the answer is one line."""
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    with pytest.raises(UntrustedModel):
        artifact._check_array(b"\x93NUMPY" + version + length + header, Path("model"))


def test_a_large_card_is_refused(folder: Path) -> None:
    """A card is read up to its limit and no further."""
    reseal(folder, card=b" " * (2 << 20))
    with pytest.raises(UntrustedModel, match=r"card\.json of more than"):
        load_model(folder)


def test_doubled_entries_are_refused(folder: Path) -> None:
    """Two entries of one name, of which a check and a reader might choose differently, are refused."""
    packed = io.BytesIO((folder / "model.skops").read_bytes())
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("schema.json", "{}")
    reseal(folder, model=packed.getvalue())
    with pytest.raises(UntrustedModel, match="doubled"):
        load_model(folder)


# M4: versions


@pytest.mark.parametrize(
    ("package", "version"),
    [("python", "3.8.1"), ("scikit-learn", "1.2.3"), ("numpy", "1.26.0"), ("skops", "0.9.0")],
)
def test_other_versions_are_refused_unless_allowed(folder: Path, package: str, version: str) -> None:
    """A model made with other versions names them and is refused; the flag allows it."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {package: version})
    with pytest.raises(VersionMismatch, match=rf"{package} {version}"):
        load_model(folder)
    assert load_model(folder, allow_version_mismatch=True).card.versions[package] == version


def test_allowing_a_mismatch_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mismatch that was allowed leaves a line in the log."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {"numpy": "1.26.0"})
    load_model(folder, allow_version_mismatch=True)
    assert "numpy 1.26.0" in caplog.text


@pytest.mark.parametrize(("package", "version"), [("pandas", "1.0.0"), ("ipml", "0.0.1")])
def test_versions_that_do_not_matter_are_only_recorded(folder: Path, package: str, version: str) -> None:
    """Packages that do not make the state of a model are recorded and not compared."""
    edit_card(folder, versions=dict(read_card(folder).versions) | {package: version})
    assert load_model(folder).card.versions[package] == version


def test_an_estimator_of_another_version_is_refused_unless_allowed(folder: Path) -> None:
    """The version that scikit-learn wrote into the state counts even where the card says otherwise."""
    saved = read_card(folder).versions["scikit-learn"]
    edit_schema(folder, f'"\\"{saved}\\""', '"\\"1.2.3\\""')
    with pytest.raises(VersionMismatch, match=r"1\.2\.3"):
        load_model(folder)
    assert load_model(folder, allow_version_mismatch=True)


def test_a_newer_format_is_refused(folder: Path) -> None:
    """A folder of another format is refused and says so."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(artifact._to_json(manifest | {"format": 2}))
    with pytest.raises(UntrustedModel, match="format '2'"):
        load_model(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"golden_log_odds": ["a"]},
        {"created_at": "2024-01-01T00:00:00"},
        {"name": "../x"},
        {"versions": None},
    ],
    ids=["unknown field", "no number", "no time zone", "path as name", "no versions"],
)
def test_a_card_of_another_kind_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    """A card that says more, less or other than a card does is refused."""
    edit_card(folder, **changes)
    with pytest.raises(UntrustedModel, match="card"):
        load_model(folder)


# M5: no other place


def test_a_link_to_a_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in place of the folder is not followed."""
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UntrustedModel, match="symbolic link"):
        load_model(tmp_path / "link")


@pytest.mark.parametrize("name", ["model.skops", "card.json", "manifest.json"])
def test_a_linked_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    """A symbolic link in place of a file is not followed."""
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(UntrustedModel, match="plain file"):
        load_model(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_is_refused(folder: Path) -> None:
    """A named pipe in place of a file is refused instead of waited for."""
    (folder / "card.json").unlink()
    os.mkfifo(folder / "card.json")
    with pytest.raises(UntrustedModel, match="plain file"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../../evil.npy", "/etc/passwd", "..\\evil.npy", "a/b.npy", "schema.json/"])
def test_an_entry_with_a_path_is_refused(folder: Path, name: str) -> None:
    """An entry of the model file whose name is a path is refused."""
    reseal(folder, model=zip_of(schema_json=b"{}", **{name: b""}))
    with pytest.raises(UntrustedModel, match="entry"):
        load_model(folder)


@pytest.mark.parametrize("missing", ["nothing", "a/b", "..", "\0", "x" * 300])
def test_no_model_is_said_so(tmp_path: Path, missing: str) -> None:
    """Where no model is, one line says so."""
    with pytest.raises(IpmlError) as caught:
        load_model(tmp_path / missing)
    assert len(str(caught.value).splitlines()) == 1


def test_a_zip_of_a_model_is_not_a_model(folder: Path, tmp_path: Path) -> None:
    """Only folders are models."""
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    with pytest.raises(ModelNotFound):
        load_model(packed)


# M6: no half-written model


def is_a_step(event: str, arguments: tuple[Any, ...]) -> bool:
    """Say whether an audit event is a change of the file system."""
    if event == "open":
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree")


def save_and_die(folder: Path, step: int) -> bool:
    """In a process of its own, save over `folder` and be killed before the given step; say if it was."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            if is_a_step(event, arguments) and str(folder.parent) in str(arguments[0]):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            save_model(NEW_CLASSIFIER, folder, **FACTS)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


NEW_CLASSIFIER = fit_classifier(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the child only writes files
def test_a_kill_at_any_step_leaves_the_old_model_or_the_new(tmp_path: Path) -> None:
    """Killed before its n-th step, for every n, a replacement leaves a whole model, and can be repeated."""
    seen = []
    for step in range(200):
        folder = tmp_path / f"{step}" / "model"
        shutil.copytree(one_saved(tmp_path), folder)
        was_killed = save_and_die(folder, step)
        seen.append(load_model(folder).classifier.named_steps["model"].C)
        save_model(NEW_CLASSIFIER, folder, **FACTS)
        assert load_model(folder).classifier.named_steps["model"].C == 0.01
        if not was_killed:
            break
    assert not was_killed
    assert seen == sorted(seen, reverse=True), "once new, always new"
    assert set(seen) == {1.0, 0.01}


def one_saved(folder: Path) -> Path:
    """A model that is saved once, and only copied."""
    if not (folder / "saved").exists():
        save_model(CLASSIFIER, folder / "saved", **FACTS)
    return folder / "saved"


def test_a_first_save_that_is_killed_leaves_nothing_that_loads(tmp_path: Path) -> None:
    """Before the first model is whole there is none."""
    assert save_and_die(tmp_path / "model", 4)
    with pytest.raises(ModelNotFound):
        load_model(tmp_path / "model")


def test_the_manifest_hash_stands_for_the_folder(folder: Path) -> None:
    """Any change of a model that has a fitting manifest changes the hash of the manifest."""
    before = manifest_sha256(folder)
    edit_card(folder, data_digest="another")
    assert manifest_sha256(folder) != before
