"""Wheel: the build step that compiles the engine; Hatchling calls it, also for editable installs."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EngineHook(BuildHookInterface[Any]):
    """Compile the engine, and say that the wheel is for this kind of machine and any Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - Hatchling's
        """Compile before files are gathered."""
        command = [sys.executable, str(Path(self.root, "ipml", "engine", "build.py"))]
        subprocess.run(command, check=True)  # noqa: S603 - our own
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"] += ["ipml/engine/engine.so", "ipml/engine/engine.dll"]
