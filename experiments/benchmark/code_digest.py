"""Which code a model's scores depend on, as a digest: scores are worked out anew only where that code changed."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("ipml", "experiments")
NO_MATTER = ("ipml.errors",)
_BESIDE = ("*.toml", "*/*.[ch]")


def digest_code(model: type) -> str:
    """Return 12 hexadecimal digits that change with the class, its bases, or any module of ours these depend on.

    Comments, docstrings and layout do not count. Files of data beside the modules do, and the engine as it stands.
    """
    classes = [base for base in model.__mro__ if base.__module__.split(".")[0] in OURS]
    sources = [strip_words(textwrap.dedent(inspect.getsource(base))) for base in classes]
    modules = sorted({name for base in classes for name in imported_modules(base.__module__)})
    sources += [strip_words(_path_of(name).read_text(encoding="utf-8")) for name in modules]
    folders = sorted({_path_of(name).parent for name in modules})
    data = [file.read_bytes() for folder in folders for kind in _BESIDE for file in sorted(folder.glob(kind))]
    return hashlib.sha256("\0".join(sources).encode() + b"\0".join(data)).hexdigest()[:12]


def imported_modules(name: str) -> set[str]:
    """Return the modules of ours that a module imports, directly or through others, without itself.

    Examples
    --------
    >>> "ipml.features.compiled.ngrams" in imported_modules("ipml.features.text")
    True
    """
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = _imports_of(waiting.pop()) - found - {name, *NO_MATTER}
        found |= new
        waiting += new
    return found


@cache
def _imports_of(name: str) -> frozenset[str]:
    tree = ast.parse(_path_of(name).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    named = {str(node.module) for node in imports}
    named |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    return frozenset(module for module in named if module.split(".")[0] in OURS and _path_of(module).exists())


def _path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def strip_words(source: str) -> str:
    """Return what a source does: its syntax tree, without comments, docstrings and layout.

    Examples
    --------
    >>> strip_words("x = 1  # the first") == strip_words("x=1"), strip_words("x = 1") == strip_words("x = 2")
    (True, False)
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
