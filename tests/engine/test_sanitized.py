"""The engine reads and writes nothing outside its arrays, whatever sellers write or a model file holds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1", "-UNDEBUG", "-Werror")
HOSTILE_TEXTS = """
import random
import sys

import pandas as pd

from ipml.listings.schema import check_listings
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import simulate_marketplace

draw = random.Random(7)
PIECES = ["Nike", "N\\u0456ke", "r3plica", "r.e.p.l.i.c.a", "repl ica", "@did@s", "AAA 1:1", "10 pcs", "36-45",
          "a@b.com", "whatsapp +86 138 0000 0000", "&amp;", "&#65;", "<b>x</b>", "<!--", "%41",
          "\\\\u0041", "\\u200b", "\\u202e",
          "\\ufdfa", "\\ud83d\\udc5f", "\\ud800", "\\u0301" * 9, "\\uff21\\uff22", "\\u97c4", "k\\u0435\\u0434\\u044b",
          "\\u03c1", "rr" * 40, "wwww.", "s-xl", "\\u0663", "\\U0001f1e9\\U0001f1ea", "\\u24b6", "\\u0250", "$", "!!!",
          "a@\\u212ab.com", "@ab\\u0130", "not a", "\\uff8e\\uff9e", "\\uff9f", "\\u30cf\\u309a", "\\u0640",
          "\\u5c0f\\u5c0f\\u7c73", "\\u0e44\\u0e19\\u0e01\\u0e35\\u0e49", "\\ub808\\uace0",
          "\\u0627\\u0644\\u0631\\u0648\\u0644\\u0643\\u0633", "\\u0930\\u094b"]


def make_text():
    kind = draw.random()
    if kind < 0.02:
        return draw.choice(["\\ufdfa", "ab ", "\\u0301", "r.", "<", "1 "]) * draw.choice([1, 50, 3000])
    if kind < 0.3:
        return "".join(chr(draw.choice([draw.randrange(1, 128), draw.randrange(1, 0x3000), draw.randrange(1, 0x20000)]))
                       for _ in range(draw.randrange(60)))
    gap = draw.choice(["", " ", "  ", ".", "\\t"])
    return gap.join(draw.choice(PIECES) for _ in range(draw.randrange(1, 30)))


market = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
labelled = market[market["is_counterfeit"].notna()]
scorer = Scorer(CounterfeitClassifier(n_folds=2).fit(labelled, labelled["is_counterfeit"].astype(int)), "hostile/1")
texts = pd.Series([make_text().replace("\\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
                   for _ in range(2 * 4000)])
listings = market.sample(4000, replace=True, random_state=0).reset_index(drop=True)
listings["title"], listings["description"] = texts[:4000].to_numpy(), texts[4000:].to_numpy()
scores = scorer.score_frame(listings)
print(len(scorer.explain_frame(listings[:200])), scores["score"].notna().sum() > 1000)
"""

HOSTILE_MODELS = """
import random

from support.model_changes import is_refused

from ipml.listings.schema import check_listings
from ipml.model.model_file.state import pack
from ipml.model.pipeline import CounterfeitClassifier
from ipml.simulation.marketplace import simulate_marketplace

market = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
few = {f"features__{text}__bits": 8 for text in ("title", "description", "category")}
labelled = market[market["is_counterfeit"].notna()].assign(picture_genuine_matches=1.0)
labelled["image_vector"] = [[0.5, number % 3] for number in range(len(labelled))]
classifier = CounterfeitClassifier(n_folds=2).set_params(**few).fit(labelled, labelled["is_counterfeit"].astype(int))
packed, draw = pack(classifier), random.Random(1)
print(100 < sum(is_refused(packed, draw) for _ in range(300)) < 300)
"""

SCARCE_MEMORY = r"""
#include <stdint.h>
#include <stdlib.h>
__attribute__((weak, visibility("default"))) int64_t allocations_left = INT64_MAX, fails_once = 0;
static inline int may_allocate(void) {
    int64_t left = allocations_left--;
    return left > 0 || (left < 0 && fails_once);
}
#define malloc(size) (may_allocate() ? malloc(size) : NULL)
#define calloc(n, size) (may_allocate() ? calloc(n, size) : NULL)
#define realloc(at, size) (may_allocate() ? realloc(at, size) : NULL)
"""

FAILING_ALLOCATIONS = """
import ctypes
import random
from collections import Counter
from pathlib import Path

from ipml.engine import library
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.model_file.state import pack, unpack
from ipml.model.pipeline import CounterfeitClassifier
from ipml.scoring.scorer import Scorer
from ipml.simulation.marketplace import simulate_marketplace

left, is_once = (ctypes.c_int64.in_dll(library._library, name) for name in ("allocations_left", "fails_once"))
ENOUGH = 1 << 62
market = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
labelled = market[market["is_counterfeit"].notna()]
classifier = CounterfeitClassifier(n_folds=2).fit(labelled, labelled["is_counterfeit"].astype(int))
scorer, packed, draw = Scorer(classifier, "scarce/1"), pack(classifier), random.Random(3)
few = market[:6].copy()
few["title"] = ["N\\u0456ke r3plica", "AAA 1:1 &amp; whatsapp +86 138 0000 0000", "a@b.com repl ica 10 pcs", "x",
                "Gucc1 bag", " ".join(few["title"]) * 3]
few["description"] = ["", " ".join(market["description"][:40]), "<b>n i k e</b> %41", "@did@s reppl\\u0131ca", "",
                      "y " * 200]


def fit():
    return CounterfeitClassifier(n_folds=2).fit(labelled[:90], labelled["is_counterfeit"][:90].astype(int))


first, *_ = frame_to_listings(few)
WAYS = [
    (150, lambda: scorer.score_frame(few).to_dict()),
    (150, lambda: scorer.explain_frame(few)),
    (150, lambda: scorer.score(first)),
    (30, lambda: Scorer(unpack(packed, Path("model")), "scarce/1").explain_frame(few)),
    (10, lambda: Scorer(fit(), "scarce/1").score_frame(few).to_dict()),
]
for most, way in WAYS:
    right = repr(way())
    left.value = ENOUGH
    assert repr(way()) == right
    n, ends = ENOUGH - left.value, Counter()
    for at in sorted(draw.sample(range(n), min(n, most))):
        for is_once.value in (0, 1):
            left.value = at
            try:
                ends["right" if repr(way()) == right else "wrong"] += 1
            except Exception as error:
                ends[type(error).__name__] += 1
        left.value = ENOUGH
        if at % 16 == 0:
            assert repr(way()) == right
    print(n, *sorted(ends))
"""


@pytest.fixture(scope="module")
def run_sanitized(tmp_path_factory):
    """Return a function that runs a script with sanitizers, the contracts of the engine asserted."""
    folder = tmp_path_factory.mktemp("sanitized")
    shutil.copytree(ROOT / "ipml", folder / "ipml", ignore=shutil.ignore_patterns("engine.so"))
    environment = os.environ | {"CC": "gcc", "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'tests'}"}
    (folder / "scarce_memory.h").write_text(SCARCE_MEMORY)
    included = "-include", str(folder / "scarce_memory.h")
    build = [sys.executable, str(folder / "ipml" / "engine" / "build.py"), *FLAGS, *included]
    subprocess.run(build, env=environment, check=True, capture_output=True)
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    environment |= {"LD_PRELOAD": runtime.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}

    def run(script):
        command = [sys.executable, "-c", script]
        found = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr[-3000:]
        return found.stdout.strip()

    return run


@pytest.mark.slow
def test_hostile_texts_are_read_within_bounds(run_sanitized):
    """Under the address and undefined behaviour sanitizers, training, scoring and reasons end without a finding."""
    assert run_sanitized(HOSTILE_TEXTS) == "200 True"


@pytest.mark.slow
def test_hostile_models_are_refused_or_score_within_bounds(run_sanitized):
    """A model of which any number, list or array was changed is refused as untrusted, or scores without a finding."""
    assert run_sanitized(HOSTILE_MODELS) == "True"


@pytest.mark.slow
def test_memory_that_runs_out_raises_an_error_and_leaves_nothing_behind(run_sanitized):
    """Where any allocation fails, alone or with all after it, MemoryError is raised, and what follows is right."""
    ends = [line.split()[1:] for line in run_sanitized(FAILING_ALLOCATIONS).splitlines()]
    assert ends == [["MemoryError"]] * 5
