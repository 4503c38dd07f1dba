"""Whatever an attacker puts into a model folder, none of it is run."""

from __future__ import annotations

import gzip
import io
import json
import pathlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model
from ipml.model.model_file.folder import TRUSTED_TYPES


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (pathlib.Path.touch, (self.marker,))


def zip_of(entries: dict[str, bytes]) -> bytes:
    """Pack these entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


def skops_naming(module: str, name: str, marker: Path, loader: str = "ObjectNode") -> bytes:
    """Return a skops file that asks for a type or function which is none of ours."""
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
    return zip_of({"schema.json": json.dumps(schema).encode()})


def object_array(payload: Payload) -> bytes:
    """Return an array file that holds the payload as an object."""
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


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
        "model.skops": zip_of({"schema.json": b"{}", "1.npy": object_array(Payload(marker))})
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
def test_a_payload_is_refused_and_not_run(
    folder: Path, tmp_path: Path, reseal: Callable[..., None], disguise: str, is_resealed: bool
) -> None:
    """Whatever an attacker puts into the folder, and even with a fitting manifest, none of it is run."""
    marker = tmp_path / "MARKER"
    for name, content in DISGUISES[disguise](marker).items():
        (folder / name).write_bytes(content)
    if is_resealed and disguise not in ("pickle as json", "pickle as manifest"):
        reseal(folder, model=(folder / "model.skops").read_bytes())
    with pytest.raises(UntrustedModel):
        load_model(folder)
    assert not marker.exists()


def test_the_payload_would_run_elsewhere(tmp_path: Path) -> None:
    """The marker of these tests works: a loader that unpickles does touch it."""
    marker = tmp_path / "MARKER"
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()


def test_only_our_own_types_are_trusted() -> None:
    """The constant list names classes of ipml's model half and nothing else."""
    assert all(name.startswith(("ipml.features.", "ipml.model.")) for name in TRUSTED_TYPES)
