"""Docstrings name only what there is: types, parameters, attributes, functions and files."""

import ast
import builtins
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL)
NO_CODE = re.compile(r'""".*?"""|#[^\n]*', re.DOTALL)
NO_TYPES = re.compile(r'"[^"]*"|`[^`]*`|\bdefault\b.*')
DEFINED = re.compile(
    r'"[^"\n]+"|\.\w+|\b(?:def|class) \w+|^(?: {4})?\w+(?=: | = )', re.MULTILINE
)  # or a text, as of SQL
MEMBERS = re.compile(
    r'^ {4}(?:def )?(\w+)|\bself\.(\w+)|\("(\w+)",', re.MULTILINE
)  # the last is a field of a C structure
USUAL = {  # first words of types, beside Python's own and those of the module
    *("array", "arrays", "ndarray", "structured", "numpy", "table", "column", "columns", "extractor", "transformer"),
    *("mapping", "sequence", "collection", "iterable", "function", "hashable", "text", "optional", "date", "datetime"),
}
OF_OTHERS = {  # of libraries; of a formula; of patterns that names follow
    *("FeatureUnion", "average_precision_score", "Sniffer", "tomllib.TOMLDecodeError"),
    *("R", "score_1", "title__letters", "features__title__letters", "inner__most"),
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Documented(NamedTuple):
    """A module, class or function: its docstring, parameters and members, and the words of its module's code."""

    name: str
    docstring: str
    members: set[str]
    bases: set[str]
    words: set[str]

    def read_entries(self, *headings: str) -> Iterator[tuple[list[str], str]]:
        """Return the names and the type of each entry of some sections."""
        for heading, lines in SECTION.findall(self.docstring):
            for line in re.findall(r"^\S.*", lines, re.MULTILINE) if heading in headings else ():
                names, separator, kind = line.partition(" : ")
                is_named = separator or heading in ("Parameters", "Attributes")
                yield (names.replace("*", "").split(", "), kind) if is_named else ([], line)


class Package:
    """What ipml documents and defines, read without importing it."""

    def __init__(self) -> None:
        self.documented: list[Documented] = []
        self.classes: dict[str, Documented] = {}
        self.defined = {*vars(builtins), *OF_OTHERS}
        for path in ROOT.glob("ipml/engine/*/*.[ch]"):
            self.defined.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        for path in ROOT.glob("ipml/**/*.py"):
            self._add(path.relative_to(ROOT).with_suffix("").parts, path.read_text(encoding="utf-8"))

    def _add(self, module: tuple[str, ...], source: str) -> None:
        code = NO_CODE.sub("", source)
        words = set(re.findall(r"\w+", code))
        self.defined.update(module, re.findall(r"\w+", " ".join(DEFINED.findall(code))))
        tree, lines = ast.parse(source), source.splitlines()
        for node in (tree, *find_definitions(tree)):
            members, bases = set[str](), set[str]()
            if isinstance(node, Function):
                members = list_parameters(node)
            elif isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                body = NO_CODE.sub("", "\n".join(lines[node.lineno : node.end_lineno]))
                members = {name for names in MEMBERS.findall(body) for name in names}.union(
                    *(list_parameters(part) for part in node.body if getattr(part, "name", "") == "__init__")
                )
            name = ".".join(module if node is tree else (*module, node.name))
            self.documented.append(Documented(name, ast.get_docstring(node) or "", members, bases, words))
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = self.documented[-1]

    def list_members(self, of: Documented) -> set[str]:
        """Return parameters, and what a class has or inherits."""
        return of.members.union(*(self.list_members(self.classes[base]) for base in of.bases & self.classes.keys()))


def find_definitions(node: ast.AST) -> Iterator[ast.ClassDef | Function]:
    """Return all classes and functions below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from (child,) if isinstance(child, ast.ClassDef | Function) else ()
            yield from find_definitions(child)


def list_parameters(node: Function) -> set[str]:
    """Return the names of the parameters of a function."""
    return {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}


@pytest.fixture(scope="module")
def package() -> Package:
    """Return what ipml defines and documents, read once for all tests."""
    return Package()


def list_undefined(each: Documented, names: Iterable[str], *known: Collection[str]) -> list[str]:
    """Return a line for each name that is in none of some collections."""
    undefined = [name for name in names if not any(name in some for some in known)]
    return [f"{each.name}: found {name}, which is not defined" for name in undefined]


def test_types_are_defined(package: Package):
    """A module's code uses the types that its docstrings name; an error's class may be any of ipml."""
    undefined = []
    usual = USUAL | OF_OTHERS | set(vars(builtins)) | {each.name for each in package.documented}
    for each in package.documented:
        types = each.read_entries("Parameters", "Attributes", "Returns", "Yields")
        errors = each.read_entries("Raises", "See Also")
        for entries, others in ((types, ()), (errors, package.classes)):
            for _, kind in entries:
                names = re.findall(r"^[a-z][\w.]*|\b[A-Z]\w+", NO_TYPES.sub("", kind))
                undefined += list_undefined(each, names, each.words, usual, others)
    assert not undefined, "\n".join(undefined)


def test_parameters_and_attributes_are_defined(package: Package):
    """A function has the parameters that its docstring names, a class the parameters and attributes."""
    undefined = []
    for each in package.documented:
        names = [name for names, _ in each.read_entries("Parameters", "Attributes") for name in names]
        undefined += list_undefined(each, names, package.list_members(each) if names else ())
    assert not undefined, "\n".join(undefined)


def test_names_in_backticks_are_defined(package: Package):
    """Each part of a name in backticks is defined in ipml or its engine, or is in the module's own code."""
    undefined = []
    for each in package.documented:
        for name in re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", each.docstring):
            undefined += list_undefined(each, name.split("."), each.words, package.defined)
    assert not undefined, "\n".join(undefined)


def test_files_are_there(package: Package):
    """A docstring names no file by its path, and no source of the engine, that is not there."""
    parts = ("ipml", "docs", "experiments", "tests")
    paths = [path.as_posix() for part in parts for path in (ROOT / part).rglob("*.*")]
    absent = []
    for each in package.documented:
        for name in re.findall(r"`(\w[\w/]*/\w+\.[a-z]+|\w+\.[ch])`", each.docstring):
            if not any(path.endswith(f"/{name}") for path in paths):
                absent.append(f"{each.name}: found {name}, which is not there")
    assert not absent, "\n".join(absent)


PLAIN = (
    *("model", "scoring", "engine", "storage", "review", "enforcement", "cooperation"),
    *("web", "cli", "simulation", "features", "listings", "kit"),
)
RIDDLES = re.compile(  # words, and openings of a sentence, that give way to the noun they stand for
    r"(?i:\b(?:told|tells|telling|whoever|what became of|it is said that)\b)"
    r"|(?:\A|[.?!]\s+|\n\s*\n|\n {4,}|\n- )(?:What|Of|Whoever|Who|Whom)\b"
)
NOUN = re.compile(r"[A-Z][\w' ()-]*: ")
ALLOWED = {"ipml.model.promotion.comparison.ComparedMeasure": "its example quotes a verdict, `cannot be told apart`"}
"""Docstrings by name, each with its reason."""


def test_sentences_are_plain(package: Package):
    """In these packages a module's docstring reads "Noun: does this.", and no sentence is a riddle."""
    faults: dict[str, str] = {}
    for each in package.documented:
        path = ROOT.joinpath(*each.name.split("."))
        if each.docstring and each.name.split(".")[1] in PLAIN:
            text = re.sub(r"`[^`]*`|^ *>>>.*", "", each.docstring, flags=re.MULTILINE)
            if riddle := RIDDLES.search(text):
                faults[each.name] = f"found {riddle[0].strip()!r}; expected the noun it stands for"
            elif path.with_suffix(".py").is_file() and not NOUN.match(text):
                faults[each.name] = f"found {text[:40]!r}; expected a noun, a colon, and what it does"
    assert faults.keys() == ALLOWED.keys(), "\n".join(f"{name}: {fault}" for name, fault in faults.items())
