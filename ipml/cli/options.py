"""Options that several commands share, each said in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Database = Annotated[
    str | None,
    typer.Option(help="Review database, as a SQLAlchemy URL; by default the setting.", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option(help="Model folder or registry URI; by default the setting.", show_default=False),
]
Columns = Annotated[str | None, typer.Option(help="Column map: a bundled name or a TOML file.", show_default=False)]
Rejects = Annotated[Path | None, typer.Option(help="Keep bad rows apart in this CSV file.", show_default=False)]
