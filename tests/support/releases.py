"""Another release of ipml: a copy of this one with one more migration, for processes of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ipml
from ipml.storage.tables import REVISION

MIGRATION = '''
"""A step that adds a table and a column."""

import sqlalchemy as sa
from alembic import op

revision = "{newer}"
down_revision = "{older}"
{compatible}


def upgrade() -> None:
    op.create_table("remarks", sa.Column("number", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    op.add_column("cases", sa.Column("remark", sa.Text, nullable=True))
    op.execute("INSERT INTO remarks (number, text) VALUES (1, 'made by the step')")


def downgrade() -> None:
    op.drop_column("cases", "remark")
    op.drop_table("remarks")
'''


NEWER = f"{int(REVISION) + 1:04}"  # the revision of its tables


def make_newer_release(folder: Path, compatible_from: str | None = REVISION) -> Path:
    """Make a release in a folder whose tables are of the next revision, and return the folder."""
    package = folder / "ipml"
    shutil.copytree(Path(ipml.__file__).parent, package)
    compatible = "" if compatible_from is None else f'compatible_from = "{compatible_from}"'
    step = package / f"storage/migrations/versions/v{NEWER}_remarks.py"
    step.write_text(MIGRATION.format(newer=NEWER, older=REVISION, compatible=compatible), encoding="utf-8")
    tables = package / "storage/tables/__init__.py"
    said = tables.read_text(encoding="utf-8")
    assert said.count(f'REVISION = "{REVISION}"') == 1
    tables.write_text(said.replace(f'REVISION = "{REVISION}"', f'REVISION = "{NEWER}"'), encoding="utf-8")
    return folder


def this_release() -> Path:
    """Return the folder of the release that is tested."""
    return Path(ipml.__file__).parents[1]


def environment(release: Path, **settings: object) -> dict[str, str]:
    """Return the environment of a process of a release, with some settings and none else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IPML_")}
    told = {f"IPML_{name.upper()}": str(value) for name, value in settings.items()}
    return kept | {"PYTHONPATH": str(release), "COLUMNS": "200"} | told


def run_release(release: Path, *words: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command of a release, in its folder."""
    command = [sys.executable, "-m", "ipml", *map(str, words)]
    env = environment(release, **settings)
    return subprocess.run(command, env=env, cwd=release, capture_output=True, text=True, check=False)


def start_release(release: Path, *words: object, **settings: object) -> "subprocess.Popen[str]":
    """Start a command of a release, in its folder; what it says on both ways comes in one."""
    command = [sys.executable, "-u", "-m", "ipml", *map(str, words)]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment(release, **settings), cwd=release, **options)
