"""Compile the engine: `python -m ipml.engine.build`; and whenever ipml is installed from its sources.

The compiler is Zig's, which pip brings along: who installs from sources needs Python alone. Another is taken where
the environment variable CC names one.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NAME = "engine.dll" if sys.platform == "win32" else "engine.so"
_FLAGS = (
    *("-std=c11", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-DNDEBUG"),
    *("-Wall", "-Wextra", "-Wl,--no-undefined"),  # where ipml is installed a warning of a newer compiler stops nothing
    *("-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing"),  # the same bits on every processor
)
_ZIG = sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"  # it would build for this very processor only


def digest_sources() -> str:
    """Return a digest of the engine's sources; empty where they are not installed."""
    sources = sorted(FOLDER.glob("*/*.[ch]"))
    digest = hashlib.blake2b(digest_size=8)
    for source in sources:
        digest.update(source.relative_to(FOLDER).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest() if sources else ""


def build(flags: tuple[str, ...] = (), out: Path = FOLDER / NAME) -> Path:
    """Compile the engine.

    Parameters
    ----------
    flags : tuple of str
        More flags for the compiler, such as "-fsanitize=address", or "-UNDEBUG" to assert contracts.
    out : Path
        Replaced at once: a process that runs the old one goes on.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or list(_ZIG)
    made = out.with_name(f"{out.name}.{os.getpid()}")
    sources = [str(source) for source in sorted(FOLDER.glob("*/*.c"))]
    named = f'-DSOURCES_DIGEST="{digest_sources()}"'
    command = [*compiler, *_FLAGS, *flags, f"-I{FOLDER}", named, "-o", str(made), *sources, "-lm"]
    subprocess.run(command, check=True)  # noqa: S603 - whoever sets CC has named it
    made.replace(out)
    return out


if __name__ == "__main__":
    print(build(tuple(sys.argv[1:])))
