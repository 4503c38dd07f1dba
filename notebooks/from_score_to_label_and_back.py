# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From score to label, and back
#
# A score is a question to a person. This notebook follows it there and back: a model scores what arrives, the most
# suspicious listings wait in a queue, a reviewer decides, the decisions become labels, the doubtful ones are read
# again, and the next model learns from them. At the end stands what that was worth.
#
# The marketplace is simulated, and so is the reviewer: he knows the truth and errs at the rates given below. With a
# file of your own, its labels are taken for the truth.

# %% tags=["parameters"]
FILE = None  # a file of your own: its full path, or its name in the folder IPML_DATA; None simulates a marketplace
COLUMNS = None  # which of its columns are which: a bundled map such as "ozon-ecup", or the full path of a file

# %%
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from IPython.display import display

from ipml.listings.brands import load_brands, write_brands
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.listings.writers import write_listings
from ipml.model.drift import Mean
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.metrics import Estimate
from ipml.model.promotion import compare_scores, fetch_tested
from ipml.model.questions.plots import plot_intervals, plot_lines
from ipml.model.selection import rank_label_errors
from ipml.model.training import Experiment, train
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases, get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.exports import export_labels, label_listing
from ipml.scoring.scorer import load_model
from ipml.settings import get_settings
from ipml.simulation.marketplace import simulate_marketplace
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import migrate, open_database, reading, writing

# Everything this notebook writes goes here, and is gone when its kernel ends.
workshop = TemporaryDirectory(prefix="ipml-notebook-")
folder = Path(workshop.name)
tracking = f"sqlite:///{folder / 'mlflow.db'}"

# %% [markdown]
# ## Three parts, by time
#
# The first model learns from the earliest quarter of the listings, and from what had been decided by its end. The half
# after that fills its queue. The latest quarter is the test: nobody learns from it.

# %%
if FILE:
    (validation,) = read_listings(get_settings().data / FILE, load_columns(COLUMNS) if COLUMNS else None)
    listings, brands = validation.listings, load_brands()
    listings = listings[listings["is_counterfeit"].notna()].reset_index(drop=True)
    truth = listings.set_index("listing_id")["is_counterfeit"].astype(bool)
else:
    market = simulate_marketplace(n_listings=8_000, seed=3)
    listings, brands = check_listings(market.listings), market.brands
    truth = market.truth.set_index("listing_id")["is_counterfeit"].astype(bool)

moments = listings["observed_at"]
if moments.nunique() < 100:  # all were seen at once: go by when they were listed
    moments = listings["listed_at"]
OPENED, TESTED = moments.quantile([0.25, 0.75])
past = listings[(moments < OPENED) & ~(listings["labelled_at"] >= OPENED)]
arrived = listings[moments.between(OPENED, TESTED, inclusive="left")]
arrived = arrived.assign(is_counterfeit=pd.NA, labelled_at=pd.NaT)  # nobody has judged them yet
later = listings[moments >= TESTED]
for name, part in {
    "learnt from at first": past[past["is_counterfeit"].notna()],
    "arrived": arrived,
    "test": later,
}.items():
    print(f"{name}: {len(part):,} listings of {part['seller_id'].nunique():,} sellers")

# %% [markdown]
# ## The first model

# %%
write_listings(past, folder / "past.parquet")
write_brands(brands, folder / "brands.toml")


def learn(name, *labels):
    """Train on the past and on files of labels, and return what came of it."""
    experiment = Experiment(
        name=name,
        folder=folder,
        data={"listings": "past.parquet", "brands": "brands.toml", "labels": labels},
        split={"kind": "seller folds", "n_folds": 3},
        evaluation={"attacks": "none", "n_resamples": 200},
        model={"C": 0.3, "n_folds": 3},
        record={"model": "ipml-circle"},
    )
    return train(experiment, models=folder / "models", tracking_uri=tracking)


def score_arrived(scorer, listings):
    """Score listings, each by what was known of its seller before it, and return the scores and what was known."""
    portfolios = scorer.start_portfolios()
    scorer.take_in(listings, portfolios)  # each is judged by earlier ones only, whenever they are taken in
    return scorer.score_frame(listings, portfolios), portfolios


first = learn("first")
scorer = load_model(first.folder)
scored, portfolios = score_arrived(scorer, arrived)
print(first.evaluation.table())
print(
    f"\n{len(scored):,} listings scored; of {scored['score'].isna().sum():,} the model says that it cannot judge them."
)

# %% [markdown]
# ## The queue
#
# Reviewers have time for a few hundred listings. Most of that goes to the highest scores. A part goes to listings
# drawn at random: they are the only ones that tell how many counterfeits there are, and what the model does not see.
#
# The queue is a database; a file is enough here. `ipml enqueue` fills it, and `ipml serve` opens the page on which
# people decide.

# %%
N_TOP, N_RANDOM = 300, 150
rng = np.random.default_rng(0)
top = scored["score"].nlargest(N_TOP).index
at_random = pd.Index(rng.choice(arrived.index, N_RANDOM, replace=False))
chosen = arrived.loc[top.union(at_random)]

engine = open_database(f"sqlite:///{folder / 'queue.db'}")
migrate(engine)
explained = scorer.explain_frame(chosen, portfolios)
print(enqueue(engine, explained))

# %%
found = max(explained, key=lambda one: one.score or 0.0)
print(f"{found.listing.title!r} for {found.listing.price} {found.listing.currency}")
print(f"counterfeit with {found.score:.0%} (in nine cases of ten {found.score_low:.0%} to {found.score_high:.0%})")
for reason in found.reasons[:6]:
    print(f"{reason.weight:+6.1f}  {reason.sentence}")

# %% [markdown]
# The weights add up to the score's log-odds: nothing else went into it. A reviewer sees these sentences, the letters
# that carried the weight, the brand's usual price, and what the seller offers besides.
#
# ## A reviewer decides
#
# A claim is a lease: nobody else gets the case meanwhile. A decision is written once, with who, when and on what
# ground; a chain of hashes shows later if anybody has changed it.

# %%
MISSED, WRONGED, UNSURE = 0.10, 0.03, 0.03  # of the counterfeits, of the genuine, of all


def judge(listing_id):
    """Return the verdict of a reviewer who knows the truth, and errs."""
    if rng.random() < UNSURE:
        return Verdict.CANNOT_TELL
    is_wrong = rng.random() < (MISSED if truth[listing_id] else WRONGED)
    return Verdict.COUNTERFEIT if truth[listing_id] != is_wrong else Verdict.GENUINE


decisions, now = [], TESTED.to_pydatetime()
with writing(engine) as connection:
    while taken := claim(connection, "ana", now=now):
        now += timedelta(minutes=1)
        verdict = judge(get_case(connection, taken.case_id).scored.listing.listing_id)
        ground = "wrong_features" if verdict is Verdict.COUNTERFEIT else ""
        decisions.append(decide(connection, DecisionRequest(taken, verdict, ground), now=now))

with reading(engine) as connection:
    print(f"{count_cases(connection)}; the trail has {len(verify(connection).problems)} problems")

# %%
decided = pd.DataFrame(
    {
        "listing_id": [decision.listing_id for decision in decisions],
        "is_counterfeit": [decision.verdict is Verdict.COUNTERFEIT for decision in decisions],
    }
)
decided["seller_id"] = decided["listing_id"].map(arrived.set_index("listing_id")["seller_id"])
is_random = decided["listing_id"].isin(arrived.loc[at_random, "listing_id"])
is_top = decided["listing_id"].isin(arrived.loc[top, "listing_id"])


def share_of(part):
    """Return the share of counterfeits, with its 95 % interval over sellers."""
    mean = Mean.of(part["is_counterfeit"].to_numpy(dtype=float), pd.factorize(part["seller_id"])[0])
    return Estimate(mean.value, max(0.0, mean.value - 1.96 * mean.error), min(1.0, mean.value + 1.96 * mean.error))


blindly = share_of(decided[is_random])
found = decided.loc[is_top, "is_counterfeit"].cumsum().to_numpy()
n_read, n = np.arange(len(found) + 1), min(100, len(found))
plot_lines(
    {"by score": np.append(0, found)}
    | {
        f"drawn blindly, {end}": share * n_read
        for end, share in (("upper end of 95 %", blindly.high), ("lower end of 95 %", blindly.low))
    },
    f"Of the first {n} cases, {found[n - 1]} are found counterfeit; drawn blindly, {blindly.value * n:.0f}",
    "cases read, the most suspicious first",
    "found counterfeit",
)

# %% [markdown]
# Where the curve flattens, reading on is worth less and less; where to stop is for the operator to say, not for the
# model. Where it lies between the two others, the model knows nothing yet of what arrives, and the decisions are worth
# the more.
#
# ## How many counterfeits are there?
#
# The decisions on the queue cannot tell, for the model chose them. Those drawn at random can, but for what the reviewer
# got wrong: where counterfeits are rare, a few genuine listings called counterfeit weigh much.

# %%
shares = {"all that was decided": share_of(decided), "drawn at random": blindly}
actual = truth[arrived["listing_id"]].mean()
called = shares["all that was decided"].value
plot_intervals(
    shares,
    f"Called counterfeit: {blindly.value:.0%} of those drawn at random, {called:.0%} of all that was decided",
    f"counterfeit, with 95 % interval over sellers; dashed: the truth, {actual:.0%}",
    line=actual,
)

# %% [markdown]
# ## Decisions become labels
#
# `ipml data labels --out labels.parquet` writes what was decided, with the moment it became known; "cannot tell" gives
# no label.

# %%
with reading(engine) as connection:
    labels = listings_to_frame([label_listing(label) for label in export_labels(connection)])
write_listings(labels, folder / "labels.parquet")
print(f"{len(labels):,} labels of {len(decided):,} decisions")

second = learn("second", "labels.parquet")

# %% [markdown]
# ## Which labels are wrong?
#
# People err, and a model learns their errors. Training has scored every labelled listing by a model that had not
# learnt from its seller. Where that model and the seller's other listings speak against a label, somebody should
# look again. `ipml model label-errors` writes this list.

# %%
tested = fetch_tested(second.run.run_id, tracking)
score = np.mean(tested.scores[MODEL], axis=0)
doubtful = rank_label_errors(tested.listings, tested.y, score, tested.listings["seller_id"])
print(*doubtful["listing_id"].head(5) + ": " + doubtful["reason"].head(5), sep="\n")

# %%
N_AGAIN = 60
is_wrong = doubtful["label"].to_numpy() != truth[doubtful["listing_id"]].to_numpy()
caught = is_wrong.cumsum()
n_wrong = int(caught[-1])

print(f"The labels hold {n_wrong:,} wrong ones, where the truth is known.")
plot_lines(
    {"the most doubtful first": np.append(0, caught), "in any order": np.linspace(0, n_wrong, len(caught) + 1)},
    f"The {N_AGAIN} most doubtful of {len(caught):,} labels hold {caught[N_AGAIN - 1]} of the {n_wrong} wrong ones",
    "labels read again",
    "wrong labels found",
)

# %% [markdown]
# Nothing is changed automatically: the list says where to look. Here a second person reads the first of the list and is
# right. A label that became known later counts instead of the earlier one; both stay on file.

# %%
again = listings[listings["listing_id"].isin(doubtful["listing_id"].head(N_AGAIN))].copy()
again["is_counterfeit"] = pd.array(truth[again["listing_id"]].to_numpy(), dtype="boolean")
again["labelled_at"] = pd.Timestamp(now) + pd.Timedelta(days=1)
write_listings(again, folder / "read_again.parquet")

third = learn("third", "labels.parquet", "read_again.parquet")

# %% [markdown]
# ## What was it worth?
#
# Three models, on the latest listings, which none of them has seen, measured by the truth: all three on the same
# resamples of the sellers. Listings that a model cannot score come last in its order.

# %%
y, sellers = truth[later["listing_id"]].to_numpy(), later[["seller_id"]]
trained = {"first model": first, "with the decisions": second, "… and labels read again": third}
scores = {
    name: score_arrived(load_model(one.folder), later)[0]["score"].fillna(0).to_numpy() for name, one in trained.items()
}
learnt_from = {*past["seller_id"], *arrived["seller_id"]}
parts = {
    "all listings of the test": np.full(len(y), True),
    "of sellers met for the first time": ~sellers["seller_id"].isin(learnt_from).to_numpy(),
}


def compare(name, part):
    """Compare a model with the first one on a part of the test."""
    return compare_scores(y[part], [scores["first model"][part]], [scores[name][part]], sellers[part])[
        "average_precision"
    ]


compared = {where: {name: compare(name, part) for name in list(scores)[1:]} for where, part in parts.items()}

# %%
gain = compared["all listings of the test"]["with the decisions"].difference
display(
    plot_intervals(
        {f"{name}, {where}": row.difference for where, of_part in compared.items() for name, row in of_part.items()},
        f"Learning from decisions: average precision {gain.show('+')}",
        "gain over the first model, on the same resamples of the sellers, with 95 % interval",
        line=0.0,
        is_share=False,
    )
)
for where, of_part in compared.items():
    for name, row in of_part.items():
        change = f"{row.difference.value:+.3f} ({row.difference.low:+.3f} to {row.difference.high:+.3f})"
        print(f"{where}, {name}: {change}, {row.verdict.replace('B', 'it is')}")

# %%
alone = compare_scores(y, [scores["with the decisions"]], [scores["… and labels read again"]], sellers)
print(replace(alone, name_a="with the decisions", name_b="and labels read again").table())

# %% [markdown]
# An interval that holds zero says that the test cannot tell, not that there is no gain. Labels read again are few
# beside all others, and may leave the order as it was; look at the calibration error too, for wrong labels teach a
# model wrong probabilities. They pay more where reviewers err more: raise `MISSED` and run this again.
#
# ## Your own queue
#
#     ipml score new.parquet --out scored.parquet --model models:/ipml@champion
#     ipml enqueue scored.parquet --top 500
#     ipml serve  # people decide
#     ipml data labels --out labels.parquet  # name it in [data] labels of the experiment
#     ipml model label-errors experiments/mine.toml --out doubtful.csv
#     ipml model train experiments/mine.toml  # a challenger; `ipml model compare` and `ipml model promote` follow
