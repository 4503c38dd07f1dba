"""Unrecorded runs: everything that a run will hold, stored beside the trained model until MLflow has it.

A tracking server may go away during hours of training. The run is therefore written to disk first, recorded from there,
and then deleted; `ipml model record` repeats the second half if it failed.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ipml.errors import NotFound, Refused, UnreadableFile, describe_faults
from ipml.model.model_file import manifest_sha256
from ipml.model.tracking.runs import RecordedRun, RunFacts, record_run
from ipml.settings import Settings

FACTS_FILE = "run.json"


class UnrecordedRun(BaseModel):
    """A run that is not recorded yet.

    Attributes
    ----------
    facts : RunFacts
        With the names of its files in the folder.
    manifest : str
        SHA-256 of the manifest of its model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    facts: RunFacts
    manifest: str
    model_name: str
    alias: str | None


def find_unrecorded(model_folder: Path) -> Path:
    """Return the folder of a model's unrecorded run: "models/shoes.run" beside "models/shoes"."""
    return model_folder.with_name(f"{model_folder.name}.run")


def store_run(facts: RunFacts, model_folder: Path, *, model_name: str, alias: str | None) -> None:
    """Store a run beside its model, and replace any older one."""
    folder = find_unrecorded(model_folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    kept = replace(
        facts,
        parameters={name: str(value) for name, value in facts.parameters.items()},
        pictures=[_copy(picture, folder) for picture in facts.pictures],
        files=[_copy(file, folder) for file in facts.files],
    )
    run = UnrecordedRun(facts=kept, manifest=manifest_sha256(model_folder), model_name=model_name, alias=alias)
    (folder / FACTS_FILE).write_text(run.model_dump_json(indent=2), encoding="utf-8")


def record_stored(model_folder: Path, settings: Settings) -> RecordedRun:
    """Record the stored run of a model, and delete it from disk.

    Raises
    ------
    NotFound
        There is none: it is recorded, or the model was not trained by `ipml model train`.
    Refused
        The run belongs to another model.
    Failed
        MLflow cannot be reached or refuses the data; the stored run remains.
    """
    folder = find_unrecorded(model_folder)
    if not (folder / FACTS_FILE).is_file():
        hint = "It is recorded already, or was not trained by `ipml model train`."
        raise NotFound("run that waits to be recorded beside", model_folder, hint)
    try:
        run = UnrecordedRun.model_validate_json((folder / FACTS_FILE).read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        found = describe_faults(error) if isinstance(error, ValidationError) else str(error)
        raise UnreadableFile(folder / FACTS_FILE, found, "a run as `ipml model train` writes it") from error
    if manifest_sha256(model_folder) != run.manifest:
        raise Refused(
            model_folder, "another model than that of the run", "the model that was trained", "Train it anew."
        )
    facts = replace(
        run.facts,
        pictures=[folder / picture.name for picture in run.facts.pictures],
        files=[folder / file.name for file in run.facts.files],
    )
    recorded = record_run(facts, model_folder, settings, model_name=run.model_name, alias=run.alias)
    shutil.rmtree(folder)
    return recorded


def _copy(file: Path, folder: Path) -> Path:
    """Copy a file into a folder, and return its name."""
    return Path(shutil.copyfile(file, folder / file.name).name)
