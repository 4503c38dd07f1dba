"""Compile the engine: `python -m ipml.engine.build`; and whenever ipml is installed from its sources.

The compiler is Zig's, which pip brings along: who installs from sources needs Python alone. Another is taken where
the environment variable CC names one.

Python learns of structs and functions from the sources alone: `declare` reads their declarations, which the engine
carries along, each field with the place that the compiler gave it. The compiler refuses whatever was misread.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
NAME = "engine.dll" if sys.platform == "win32" else "engine.so"
_FLAGS = (
    *("-std=c11", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-DNDEBUG"),
    *("-Wall", "-Wextra", "-Wl,--no-undefined"),  # where ipml is installed a warning of a newer compiler stops nothing
    *("-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing"),  # the same bits on every processor
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ARRAYS = re.compile(r"^ARRAYS\((\w+), (\w+)\)$", re.MULTILINE)
_STRUCT = re.compile(r"^typedef struct \{([^{}]*)\} (\w+);", re.MULTILINE)
_DECLARED = re.compile(r"(const )?(?:(\w+) )? *(\*?)(\w+)(?=[;,]|$)")
_FUNCTION = re.compile(r"^EXPORT (\w[\w ]*[ *])(\w+)\(([^()]*)\)", re.MULTILINE)
_ZIG = sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"  # it would build for this very processor only


def digest_sources() -> str:
    """Return a digest of the engine's sources and of this module; empty where the former are not installed."""
    sources = sorted(FOLDER.glob("*/*.[ch]"))
    digest = hashlib.blake2b(digest_size=8)
    for source in [*sources, Path(__file__)]:
        digest.update(source.relative_to(FOLDER).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest() if sources else ""


Declared = list[tuple[str, str]]
"""Fields of a struct or parameters of a function: the type of each, without a space before its star, and its name."""


def declare() -> str:
    """Return a source in C with a description of all functions that Python calls and of the structs that they take.

    `engine_declarations` has a line for each, such as "struct texts: int64s offsets, uint8s data"; `engine_layout` the
    size of each struct, then the place of each of its fields.
    """
    texts = {path: _COMMENT.sub("", path.read_text("utf-8")) for path in sorted(FOLDER.glob("*/*.[ch]"))}
    headers = {path: text for path, text in texts.items() if path.suffix == ".h"}
    functions = {
        name: (_read(f"{returned}{name}"), _read(parameters.removesuffix("void")))
        for text in texts.values()
        for returned, name, parameters in _FUNCTION.findall(text)
    }
    structs = {name: _read(fields) for text in headers.values() for fields, name in _STRUCT.findall(text)}
    for element, name in (each for text in headers.values() for each in _ARRAYS.findall(text)):
        structs |= {name: _read(f"const {element} *at; int64_t n"), f"{name}_out": _read(f"{element} *at; int64_t n")}
    used: dict[str, Declared] = {}
    for _, parameters in functions.values():
        _follow(parameters, structs, used)
    places = [
        f"sizeof({name})" if field is None else f"PLACE({name}, {field}, {kind})"
        for name, fields in used.items()
        for kind, field in [("", None), *fields]
    ]
    taken = [path for path, text in headers.items() if any(name in used for _, name in _STRUCT.findall(text))]
    includes = [f'#include "{path.relative_to(FOLDER).as_posix()}"' for path in taken]
    prototypes = [f"EXPORT {_write(of)}({_write(given) or 'void'});" for of, given in functions.values()]
    lines = [f"struct {name}: {_write(fields)}" for name, fields in used.items()]
    lines += [f"{_write(of)}: {_write(given)}" for of, given in functions.values()]
    quoted = [f'    "{line}\\n"' for line in lines]
    return "\n".join(
        [
            *(*includes, *prototypes, "EXPORT const char engine_declarations[] =", *quoted, ";"),
            "#define PLACE(type, field, kind) _Generic(((type *)0)->field, kind: offsetof(type, field))",
            f"EXPORT const int64_t engine_layout[] = {{{', '.join(places)}}};\n",
        ]
    )


def _read(text: str) -> Declared:
    """Return what is declared in C, such as "double slope, *means; int64_t n"."""
    declared: Declared = []
    for const, kind, star, name in _DECLARED.findall(text):
        kind = kind or declared[-1][0].removesuffix("*")  # goes on with the type before
        declared.append((f"{const}{kind}{star}", name))
    return declared


def _write(declared: Declared) -> str:
    return ", ".join(f"{kind} {name}" for kind, name in declared)


def _follow(declared: Declared, structs: dict[str, Declared], used: dict[str, Declared]) -> None:
    """Add the structs in what is declared to those used, each behind those that it is made of."""
    for kind, _ in declared:
        name = kind.removeprefix("const ").removesuffix("*")
        if name in structs and name not in used:
            _follow(structs[name], structs, used)
            used[name] = structs[name]


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
    with tempfile.TemporaryDirectory() as folder:
        declarations = Path(folder, "declarations.c")
        declarations.write_text(declare(), "utf-8")
        command = [
            *compiler,
            *_FLAGS,
            *flags,
            f"-I{FOLDER}",
            named,
            "-o",
            str(made),
            *sources,
            str(declarations),
            "-lm",
        ]
        subprocess.run(command, check=True)  # noqa: S603 - CC is set by the caller
    made.replace(out)
    return out


if __name__ == "__main__":
    print(build(tuple(sys.argv[1:])))
