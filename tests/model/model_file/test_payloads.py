"""Whatever an attacker puts into a model folder, none of it is run."""

import gzip
import io
import json
import pathlib
import pickle
import shutil
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipml.errors import UntrustedModel
from ipml.model.model_file import load_model
from ipml.model.model_file.state import ESTIMATORS


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


def state_naming(name: str, marker: Path) -> bytes:
    """Return a model file that asks for a type or function which is none of ours."""
    return zip_of({"state.json": json.dumps({name: {"args": [str(marker)]}}).encode()})


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
    "pickle as model": lambda marker: {"model.zip": pickle.dumps(Payload(marker))},
    "pickle as json": lambda marker: {"card.json": pickle.dumps(Payload(marker))},
    "pickle as manifest": lambda marker: {"manifest.json": pickle.dumps(Payload(marker))},
    "objects within": lambda marker: {
        "model.zip": zip_of({"state.json": b"{}", "1.npy": object_array(Payload(marker))})
    },
    "function of posix": lambda marker: {"model.zip": state_naming("posix.system", marker)},
    "method": lambda marker: {"model.zip": state_naming("pathlib.Path.touch", marker)},
    "class of ours": lambda marker: {"model.zip": state_naming("Scorer", marker)},
    "nothing": lambda marker: {"model.zip": state_naming("", marker)},
    "open": lambda marker: {"model.zip": state_naming("open", marker)},
}


def test_a_payload_is_refused_and_not_run(saved, tmp_path, reseal, subtests):
    """Whatever an attacker puts into the folder, even with a fitting manifest; only ipml's own classes are named."""
    marker = tmp_path / "MARKER"
    for disguise, is_resealed in product(DISGUISES, (False, True)):
        with subtests.test(disguise=disguise, is_resealed=is_resealed):
            folder = shutil.copytree(saved, tmp_path / f"{disguise} {is_resealed}")
            for name, content in DISGUISES[disguise](marker).items():
                (folder / name).write_bytes(content)
            if is_resealed and disguise not in ("pickle as json", "pickle as manifest"):
                reseal(folder, model=(folder / "model.zip").read_bytes())
            with pytest.raises(UntrustedModel):
                load_model(folder)
            assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))  # the marker works: a loader that unpickles does touch it
    assert marker.exists()
    assert all(kind.__module__.startswith(("ipml.features.", "ipml.model.")) for kind in ESTIMATORS.values())
