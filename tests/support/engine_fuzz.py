"""Fuzzer of the engine: changes listings, models and arrays at random, and keeps what reaches new code of it.

A recipe is a line of text: a kind of input, and the seeds of its changes one after another, such as "listings 7 31".
New recipes are made of those kept. `python -m support.engine_fuzz`, in `tests/`, measures what the kept ones reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import html.entities
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ipml.engine import library
from ipml.errors import InvalidListings, UntrustedModel
from ipml.features.compiled import ngrams
from ipml.features.compiled.folding import fold_texts, fold_with_origins
from ipml.features.compiled.numbers import natural_log, project_vectors
from ipml.features.compiled.phrases import PhraseFinder, trace_skeletons
from ipml.features.compiled.spelling import KnownWords, OrdinaryWords, read_texts, read_with_origins
from ipml.features.compiled.texts import Texts, cut_passages, hash_texts
from ipml.features.goods import brand_table, load_goods
from ipml.features.lexicon import load_lexicon
from ipml.features.offers import load_offer_words
from ipml.features.spelling import ordinary_words
from ipml.kit import look_alikes
from ipml.kit.parquet.bounded_file import find_longest
from ipml.listings.repeats import KeyTable, hash_keys
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS, golden_log_odds
from ipml.model.model_file.state import pack, unpack
from ipml.model.model_file.tables import check_tables
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.model.robustness.attacks import FAMILIES, attack_text
from ipml.records import Listing
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import simulate_marketplace
from support.model_changes import change

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "tests" / "engine" / "recipes.txt"
SANITIZED = "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1", "-UNDEBUG", "-Werror"
FOLLOWED = *SANITIZED, "-fsanitize-coverage=trace-pc"
MEASURED = "--coverage", "-g", "-O0"


def build(folder: Path, *flags: str) -> dict[str, str]:
    """Build the package anew in a folder; return the environment in which Python runs it."""
    shutil.copytree(ROOT / "ipml", folder / "ipml", ignore=shutil.ignore_patterns("engine.so"))
    paths = f"{folder}{os.pathsep}{ROOT / 'tests'}"
    environment = os.environ | {"CC": "gcc", "PYTHONPATH": paths, "LOKY_MAX_CPU_COUNT": "1", "PYTHONMALLOC": "malloc"}
    hooks = "-include", str(ROOT / "tests" / "support" / "engine_hooks.h")
    command = [sys.executable, str(folder / "ipml" / "engine" / "build.py"), *flags, *hooks]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    if "--coverage" in flags:
        return environment
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return environment | {"LD_PRELOAD": runtime.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}


# What is changed

LONG_WORDS = "authentications counterfeiters professionally waterresistant"
PIECES = f"""
Nike|N\u0456ke|r3plica|r.e.p.l.i.c.a|repl ica|@did@s|AAA 1:1|10 pcs|36-45|us 8.5 - eu 11|s-xl|xs / 4xl|a@b.com|
whatsapp +86 138 0000 0000|8 (900) 000-00-00|(212) 555-0100|+1 (212) 5550100|https://x.co|http://x|a.b-c.com|not a|
&amp;|&#65;|&#x110000;|&#55296;|&#64976;|&#150;|&#x1F45F|&NotEqualTilde;|&amp|<b>x</b>|<!--|<br>|<p class=a>|<td|
</i>|vi<span style="display : none">x</span>tton|vi<i hidden>x</I>tton|n<b style=opacity:0>q</b>ike|
k<u style="font-size:1">|%41|%C3%A9|%E4%B8%AD|%F0%9F%91%9F|%ED%A0%80|%FF|\\u0041|\\x41|\\n|\u200b|\u200d|\u202enike|
\ufdfa|\U0001f45f|\ud800|\u0301|\u0301\u0302\u0303|\uff21\uff22|\u97c4|k\u0435\u0434\u044b|\u03c1|rr|wwww.|\u0663|
\U0001f1e9\U0001f1ea|\u24b6|\u0250ll\u0259\u0279|$|!!!|$uper|a@\u212ab.com|@ab\u0130|\uff8e\uff9e|\u30cf\u309a|
\u0640|\u5c0f\u5c0f\u7c73|a1:1b|\u0e44\u0e19\u0e01\u0e35\u0e49|\ub808\uace0|
\u0627\u0644\u0631\u0648\u0644\u0643\u0633|\u0930\u094b|1 0 \u4ef6|5\u53cc|\x1f|\t|a*b#c|repl*ca|r e p l i c a|
n-i-k-e|1 : 1|\u0412\u041c\u041d|p\u043eolo|{LONG_WORDS}|professionalyl|waterresist*nt|couterfeiters|authenticaitons|
\U000e0041|\ufe0f|\u20e3|\u00df|\u0149|\u1e9e|\u03c2|\u4e28\u5342\u4e43|x\u0443x""".replace("\n", "").split("|")
ALPHABETS = (
    *("".join(letters) for _, letters in look_alikes.ORNAMENTS),
    *("".join(of) for of in (look_alikes.TURNED_LETTERS, look_alikes.IDEOGRAPHS_AS_LETTERS)),
    *("".join(look_alikes.SIGNS_AS_LETTERS), "".join(look_alikes.SIGN_READINGS), "\u0e01\u0e35\u0e49\u094b\u093c"),
    *("0123456789 -()+", "a.b-c:/@ ", "<>/=&;#%\\ x", "sxml2345-/ ", "\u0430\u0431\u0432\u03b1\u03b2 ab", "aabb  **##"),
)
NUMBERS = [None, 0.0, 1.0, 0.01, 0.97, 7.0, 1e9, 1e300, 5e-324]
NAMES = [
    "",
    "x",
    "Nike",
    "nike ",
    "bags",
    "footwear",
    "USD",
    "EUR",
    "XXX",
    "\ud800",
    "\U0001f45f" * 50,
    "\x00",
    "golden-1",
]


@cache
def vocabulary() -> list[str]:
    """Return what the tables of the engine hold: phrases, brands, entities."""
    goods = [phrase for kind in load_goods() for phrase in kind.phrases]
    words = [*load_lexicon().phrases("any"), *(phrase for _, phrase in load_offer_words()), *goods]
    return [*words, *brand_table()["phrases"], *(f"&{name}" for name in html.entities.html5)]


def make_piece(draw: random.Random) -> str:
    """Return something to put into a text."""
    way = draw.random()
    if way < 0.5:
        return draw.choice(PIECES)
    if way < 0.75:
        return draw.choice(vocabulary()).replace("*", draw.choice(["", "s", "*"]))
    if way < 0.9:
        return "".join(draw.choices(draw.choice(ALPHABETS), k=draw.randrange(1, 25)))
    last = draw.choice([128, 0x800, 0x3000, 0xFFFF, 0x20000, 0x10FFFF])
    return "".join(chr(draw.randrange(1, last)) for _ in range(draw.randrange(1, 30)))


def change_text(text: str, draw: random.Random) -> str:
    """Return a text with something put in, left out, repeated, or written as some sellers do."""
    way, at = draw.random(), draw.randrange(len(text) + 1)
    until = min(len(text), at + draw.choice([1, 2, 8, 40, 400]))
    if way < 0.4:
        gap = draw.choice(["", " ", "  ", "."])
        return f"{text[:at]}{gap}{make_piece(draw)}{gap}{text[at:]}"
    if way < 0.55:
        return draw.choice(["", " ", ". ", "-"]).join(make_piece(draw) for _ in range(draw.randrange(1, 12)))
    if way < 0.75:
        whole = text[:500].encode(errors="replace").decode()
        return attack_text(whole, draw.choice(list(FAMILIES.values())), seed=draw.randrange(100))
    if way < 0.88:
        return text[:at] + text[at:until] * draw.choice([0, 2, 3, 60]) + text[until:]
    return "".join(draw.choice([letter, letter.upper(), letter.lower(), letter * 2, "*"]) for letter in text[:300])


def change_listing(listing: Listing, draw: random.Random) -> Listing:
    """Return a listing with one of its fields changed."""
    name = draw.choice(["title"] * 25 + ["description"] * 15 + list(Listing.__dataclass_fields__)[4:28])
    old = getattr(listing, name)
    if name in ("title", "description"):
        return replace(listing, **{name: change_text(old or "", draw)})
    if name in ("brand", "category", "currency", "gtin", "seller_id"):
        return replace(listing, **{name: draw.choice([*NAMES, make_piece(draw)])})
    is_number = name == "price" or name.startswith(("listing_", "seller_"))
    return replace(listing, **{name: draw.choice(NUMBERS) if is_number else None})


# What is run

ENOUGH, OUT_OF_MEMORY, BAD_LENGTHS = 1 << 62, -1, -2  # allocations; outcomes, as engine.h has them
Draws = Sequence[random.Random]


@cache
def market() -> Any:
    """Return labelled listings, with pictures, and with words that are long."""
    found = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
    found = found[found["is_counterfeit"].notna()].assign(picture_genuine_matches=1.0)
    found["image_vector"] = [[0.5, number % 3] for number in range(len(found))]
    found["title"] = [f"{title} {LONG_WORDS}" if at < 5 else title for at, title in enumerate(found["title"])]
    return found


def fit(listings: Any, **params: Any) -> CounterfeitClassifier:
    """Return a small model of listings, with brands that authorise sellers."""
    brands = brand_table()
    brands["authorised"] = [["golden-1", "x"] if at % 2 else [] for at in range(len(brands["names"]))]
    few = {f"features__{text}__bits": 8 for text in ("title", "description", "category")}
    model = CounterfeitClassifier(features=make_features(brands), n_folds=2).set_params(**few | params)
    return model.fit(listings, listings["is_counterfeit"].astype(int))


@cache
def model() -> tuple[bytes, Scorer]:
    """Return a small model, as its file holds it and as it scores."""
    fitted = fit(market())
    return pack(fitted), Scorer(fitted, "fuzz/1")


def check_scores(scorer: Scorer, listings: Sequence[Listing]) -> None:
    """Score in every way: each score is a share or missing, and the same alone and among others."""
    alone = [scorer.score(listing, explain=bool(at % 2)).score for at, listing in enumerate(listings)]
    try:
        frame = listings_to_frame(listings)
    except InvalidListings:
        return
    scores = scorer.score_frame(frame)["score"].to_numpy(dtype=float, na_value=np.nan)
    explained = [scored.score for scored in scorer.explain_frame(frame)]
    for each in (explained, alone):
        np.testing.assert_array_equal(np.array(each, dtype=float), scores)
    assert np.all(np.isnan(scores) | ((scores >= 0) & (scores <= 1)))


def run_listings(draws: Draws) -> None:
    """Score listings that were changed."""
    listings = list(GOLDEN_LISTINGS)
    for draw in draws:
        at = draw.randrange(len(listings))
        listings[at] = change_listing(listings[at], draw)
    check_scores(model()[1], listings)


def change_model(packed: bytes, draws: Draws) -> Any:
    """Return a model of a file, changed; None where it is refused."""
    changed: Any = unpack(packed, Path("model"))
    try:
        for draw in draws:
            changed = change(changed, draw)
        check_tables(changed)
        golden_log_odds(changed)
    except Exception:  # all of these refuse a file
        return None
    return changed


def run_models(draws: Draws) -> None:
    """Score by a model that was changed, unless that is refused."""
    changed = change_model(model()[0], draws)
    if changed is None:
        return
    try:
        scorer = Scorer(changed, "changed/1")
    except UntrustedModel:  # its labels do not say which is that of counterfeits
        return
    check_scores(scorer, [change_listing(listing, draws[-1]) for listing in GOLDEN_LISTINGS])


def run_fits(draws: Draws) -> None:
    """Train on listings that were changed."""
    listings = market()[:60].copy()
    for draw in draws:
        name, at = draw.choice(["title", "description"]), draw.randrange(len(listings))
        texts = [change_text(text, draw) if row == at else text for row, text in enumerate(listings[name])]
        listings[name] = [text.encode(errors="replace").decode() for text in texts]
    letters = draws[0].choice([(2, 5), (0, 0), (1, 3), (3, 9)])
    fit(listings, features__title__letters=letters, features__title__bits=draws[0].choice([4, 12, 18]))


def run_arrays(draws: Draws) -> None:
    """Call what scoring seldom calls, on texts, words and numbers at random."""
    draw, texts = draws[-1], [change_text(draws[0].choice(PIECES), each) for each in draws]
    texts += [texts[0], *("".join(draw.choices("abcdefkqsuwxyz*#'", k=draw.randrange(1, 24))) for _ in range(40))]
    raw = Texts.of(texts)
    folded = fold_texts(raw, draw.choice([0, 3, 2_000]))
    fold_with_origins(texts[0], draw.choice([2, 2_000]))
    words = sorted({word for text in folded.strings() for word in text.split() if word.isascii() and word.isalpha()})
    known = KnownWords(dict.fromkeys(words, 2), words[::3], draw.choice([1, 20_000]))
    for word in (*words, *texts, *(change_text(word, draw) for word in words)):
        known.nearest(word)
    written = "\n".join(texts).encode("utf-8", "surrogatepass")
    read_texts(folded, known.words, OrdinaryWords.of(written, everyday=written[::2]))
    read_with_origins(Texts.of_one(folded.text(0)), known.words, ordinary_words())
    trace_skeletons(folded)
    PhraseFinder((tuple(texts), tuple(words))).find(folded)
    shape = {"letters_min": draw.randrange(4), "letters_max": draw.randrange(9), "words": draw.randrange(4)}
    marked = ngrams.mark_known(np.ones(256), np.arange(256) % 2 == 0)
    ngrams.sum_rows(folded, marked, **shape)
    ngrams.spread(folded.data, marked, **shape)
    ngrams.count(folded, draw.randrange(1, 25), **shape)
    ngrams.count_texts(folded, 8, **shape)
    ngrams.encode(folded, np.arange(0, 1 << 18, draw.randrange(1, 40_000)), 18, **shape)
    ngrams.find_distinct(raw)
    cut_passages(folded, draw.randrange(4), draw.randrange(1, 4), draw.randrange(1, 4))
    natural_log(np.array([draw.choice([*NUMBERS[1:], -1.0, np.nan, np.inf]) for _ in range(9)], dtype=float))
    project_vectors(np.zeros((2, 3), np.float32) + draw.choice([0, 1]), np.zeros(3), np.ones((3, 17)))
    table, of_listings = KeyTable(), hash_keys(listings_to_frame(GOLDEN_LISTINGS), "x" * 16)
    hashes = np.concatenate([hash_texts(raw), of_listings])
    hashes[: draw.randrange(9)] = draw.choice([0, 2**64 - 1, 2**48])
    table.remember(hashes, np.arange(len(hashes)))
    table.find(hashes)
    find_longest(np.frombuffer(draw.randbytes(draw.randrange(40)) + bytes(8), np.uint8), draw.randrange(9))


def _shared(name: str) -> ctypes.c_int64:
    """Return a number that the hooks share."""
    return ctypes.c_int64.in_dll(library._library, name)


KINDS = {kind.__name__.removeprefix("run_"): kind for kind in (run_listings, run_models, run_fits, run_arrays)}


def run(recipe: str) -> None:
    """Run one recipe."""
    kind, *seeds = recipe.split()
    KINDS[kind]([random.Random(int(seed)) for seed in seeds])


def read_recipes() -> list[str]:
    """Return the recipes that are kept."""
    return [line for line in RECIPES.read_text().splitlines() if line and not line.startswith("#")]


def vary(recipes: Sequence[str], draw: random.Random) -> str:
    """Return a new recipe, made of one of those kept: a change more, fewer, other, or those of another besides."""
    (kind,) = draw.choices(list(KINDS), [50, 20, 1, 30])
    alike = [recipe.split()[1:] for recipe in recipes if recipe.startswith(kind)] or [[]]
    seeds, other = draw.choice(alike), draw.choice(alike)
    more = [str(draw.randrange(10**6)) for _ in range(draw.choice([1, 1, 2]))]
    ways = [seeds + more, seeds[:-1] + more, more + seeds, seeds[: len(seeds) // 2] + more, seeds + other, more]
    return " ".join([kind, *draw.choice(ways)[-12:]])


def fuzz(n_rounds: int, seed: int) -> Iterator[str]:
    """Run the recipes kept, then new ones; yield those that go new ways. The last line printed is what runs."""
    draw, first = random.Random(seed), read_recipes() or [f"{kind} 1" for kind in KINDS]
    kept, n_ways = list(first), _shared("n_ways")
    for number in range(len(first) + n_rounds):
        recipe = first[number] if number < len(first) else vary(kept, draw)
        print(recipe, flush=True)
        before = n_ways.value
        run(recipe)
        if n_ways.value > before and number >= len(first):
            kept.append(recipe)
            yield recipe


# Memory that runs out


def fail_allocations(way: Callable[[], Any]) -> int:
    """Run something while each of its allocations fails, alone and with all that follow; return how many it has."""
    left, fails_once = (_shared(name) for name in ("allocations_left", "fails_once"))
    right, n = repr(way()), 0
    while True:
        for fails_once.value in (0, 1):
            left.value = n
            with contextlib.suppress(MemoryError):
                result = repr(way())
                assert left.value >= 0, f"allocation {n} failed, and nothing was raised"
                assert result == right
        n, is_last, left.value = n + 1, left.value >= 0, ENOUGH
        if is_last or n % 32 == 0:
            assert repr(way()) == right
        if is_last:
            return n - 1


@contextlib.contextmanager
def repeated_calls(repeat: Callable[[Any, tuple[Any, ...]], None]) -> Iterator[None]:
    """Have each call of the engine repeated in other ways; what it returned and wrote stays."""
    functions = [getattr(library._library, name) for name in library._FUNCTIONS if "free" not in name]
    repeated: list[Any] = []

    def check(returned: Any, function: Any, given: tuple[Any, ...]) -> Any:
        if not repeated:
            repeated.append(function)
            written = [(each, each.copy()) for each in given if isinstance(each, np.ndarray) and each.flags.writeable]
            repeat(function, tuple(library.Buffer() if type(each) is library.Buffer else each for each in given))
            for each, before in written:
                each[...] = before
            repeated.clear()
        return returned

    checks = [function.errcheck for function in functions]
    for function in functions:
        function.errcheck = check
    yield
    for function, before in zip(functions, checks, strict=True):
        del function.errcheck
        if before is not None:
            function.errcheck = before


def fail_calls(way: Callable[[], Any]) -> int:
    """Repeat each call of the engine while each of its allocations fails; return how many failed."""
    left, fails_once, n_failed = _shared("allocations_left"), _shared("fails_once"), count()

    def repeat(function: Any, given: tuple[Any, ...]) -> None:
        buffers = [at for at, each in enumerate(given) if type(each) is library.Buffer]
        for fails_once.value in (0, 1):
            for left.value in count():
                fresh = [library.Buffer() if at in buffers else each for at, each in enumerate(given)]
                returned = function(*fresh)
                if left.value >= 0:
                    break
                next(n_failed)
                assert returned == OUT_OF_MEMORY or any(fresh[at].failed for at in buffers), function
        left.value = ENOUGH

    with repeated_calls(repeat):
        way()
    return next(n_failed)


def exhaust_memory() -> dict[str, int]:
    """Let each allocation fail of scoring in every way, of loading and of training; return how many there are."""
    packed, scorer = model()
    listings = [replace(GOLDEN_LISTINGS[0], title="N\u0456ke r3plica", description="y " * 99), GOLDEN_LISTINGS[1]]
    frame = listings_to_frame(listings)
    return {
        "training": fail_calls(lambda: fit(market()[:40])) // 2,
        "a model loaded": fail_calls(lambda: Scorer(unpack(packed, Path("model")), "x/1").score_frame(frame)) // 2,
        "one listing": fail_allocations(lambda: scorer.score(listings[0], explain=False)),
        "its reasons": fail_allocations(lambda: scorer.score(listings[0])),
        "a batch": fail_allocations(lambda: scorer.score_frame(frame).to_dict()),
        "reasons of a batch": fail_allocations(lambda: scorer.explain_frame(frame)),
    }


# Arrays that are too short


def _shorten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield a value again for each of its arrays, which is an element shorter, and has nothing behind it in memory."""
    if isinstance(value, np.ndarray):
        if value.size:
            short = value.ravel()[:-1]
            yield path, np.frombuffer((ctypes.c_char * short.nbytes).from_buffer_copy(short.tobytes()), short.dtype)
    elif isinstance(value, library.Struct):
        held = getattr(value, "_held", {})
        for name in held:
            for at, short in _shorten(held[name], f"{type(value).__name__}.{name}"):
                yield at, library.make_struct(type(value).__name__, **held | {name: short})
    elif is_dataclass(value):
        for name in value.__dataclass_fields__:
            for at, short in _shorten(getattr(value, name), f"{path}.{name}"):
                yield at, replace(value, **{name: short})


def shorten_arrays(most: int = 3) -> tuple[int, set[str]]:
    """Repeat the first calls of each function while each array is an element shorter.

    Returns how many arrays were refused, and the places of those that ever were not.
    """
    accepted, n_calls, n_refused = set(), Counter[Any](), count()

    def repeat(function: Any, given: tuple[Any, ...]) -> None:
        kinds = function.__name__, *map(type, given)
        n_calls[kinds] += 1
        if n_calls[kinds] > most:
            return
        for number, value in enumerate(given):
            for place, short in _shorten(value, f"{function.__name__}:{number}"):
                if function(*given[:number], short, *given[number + 1 :]) == BAD_LENGTHS:
                    next(n_refused)
                else:
                    accepted.add(place)

    packed = model()[0]
    with repeated_calls(repeat):
        check_scores(Scorer(unpack(packed, Path("model")), "x/1"), GOLDEN_LISTINGS)
        fit(market()[:40])
        run_arrays([random.Random(1)])
    return next(n_refused), accepted


# What is measured

Covered = tuple[int, int, int, int]  # lines reached, all lines, branches reached, all branches


def measure(folder: Path) -> tuple[dict[str, Covered], list[str]]:
    """Return what the recipes kept reach of each source, and the lines that none reaches; it is built in a folder."""
    environment = build(folder, *MEASURED)
    replay = "from support.engine_fuzz import *; list(map(run, read_recipes())); exhaust_memory(); shorten_arrays()"
    subprocess.run([sys.executable, "-c", replay], env=environment, cwd=folder, check=True)
    notes = [str(note) for note in (folder / "ipml" / "engine").glob("*.gcda")]
    subprocess.run(["gcov", "-b", "--json-format", *notes], cwd=folder, check=True, capture_output=True)
    lines: dict[tuple[str, int], int] = defaultdict(int)
    branches: dict[tuple[str, int, int], int] = defaultdict(int)
    for report in folder.glob("*.gcov.json.gz"):
        for source in json.loads(gzip.decompress(report.read_bytes()))["files"]:
            name = source["file"].partition("/engine/")[2]
            for line in source["lines"] if name else ():
                at = name, line["line_number"]
                lines[at] += line["count"]
                for number, branch in enumerate(line["branches"]):
                    branches[*at, number] += branch["count"]
    files: dict[str, Covered] = {}
    for name in sorted({name for name, _ in lines}):
        of_lines = [bool(n) for (source, _), n in lines.items() if source == name]
        of_branches = [bool(n) for (source, *_), n in branches.items() if source == name]
        files[name] = sum(of_lines), len(of_lines), sum(of_branches), len(of_branches)
    files["all"] = tuple(sum(of) for of in zip(*files.values(), strict=True))
    return files, [f"{name}:{number}" for (name, number), n in sorted(lines.items()) if not n]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        files, missed = measure(Path(folder))
    for name, (n_lines, all_lines, n_branches, all_branches) in files.items():
        print(f"{name:26} lines {n_lines:5} of {all_lines:5}, branches {n_branches:5} of {all_branches:5}")
    print("not reached:", *missed)
