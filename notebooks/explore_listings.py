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
# # Explore listings
#
# Before a model there is a look at what it will learn from. This notebook walks through the listings of a
# marketplace: how many are counterfeit, what they cost, how old they are, who sells them, which words give them away,
# and which columns know the answer before the model does. After each picture stands what it means for a model.
#
# The listings are simulated, so that everybody can run this. Put your own file in the next cell and the same pictures
# show your own marketplace.

# %% tags=["parameters"]
FILE = None  # a file of your own: its full path, or its name in the folder IPML_DATA; None simulates a marketplace
COLUMNS = None  # which of its columns are which: a bundled map such as "ozon-ecup", or a file as in experiments/columns

# %%
import numpy as np
import pandas as pd
from IPython.display import display

from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import count_disguises, fold_text
from ipml.features.goods import brand_table, listing_brands
from ipml.features.lexicon import KINDS, TradeWords, load_lexicon
from ipml.listings.brands import load_brands
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.seller_events import history_as_of
from ipml.model.drift import Mean
from ipml.model.evaluation.metrics import Estimate, base_prices
from ipml.model.evaluation.splits import leaking_random_split
from ipml.model.leakage import audit_leakage
from ipml.model.leakage.prediction import Folds, predict_from_column
from ipml.model.questions.plots import plot_histograms, plot_intervals, plot_lines
from ipml.settings import get_settings
from ipml.simulation.marketplace import simulate_marketplace

LABELS = ("counterfeit", "genuine")


def share_of(is_so, sellers):
    """Return the share of listings of which something is so, with its 95 % interval over sellers."""
    mean = Mean.of(is_so.to_numpy(dtype=float), pd.factorize(sellers)[0])
    return Estimate(mean.value, max(0.0, mean.value - 1.96 * mean.error), min(1.0, mean.value + 1.96 * mean.error))


# %% [markdown]
# ## What comes in
#
# Every file is read through one schema. Bad cells are named, all of them at once; nothing is mended silently, since a
# seller may lose a listing over it. `ipml data validate FILE` does the same from the command line.

# %%
if FILE:
    (validation,) = read_listings(get_settings().data / FILE, load_columns(COLUMNS) if COLUMNS else None)
    listings, truth, events = validation.listings.reset_index(drop=True), None, None
    print(f"{len(validation.problems):,} problems", *validation.problems[:5], sep="\n")
else:
    market = simulate_marketplace(n_listings=20_000, seed=7)
    listings, truth, events = market.listings, market.truth, market.events

is_labelled = listings["is_counterfeit"].notna()
labelled = listings[is_labelled].reset_index(drop=True)
labelled["label"] = np.where(labelled["is_counterfeit"].astype(bool), "counterfeit", "genuine")
fakes = labelled[labelled["label"] == "counterfeit"]

print(f"{len(listings):,} listings of {listings['seller_id'].nunique():,} sellers")
print(f"{len(labelled):,} have a label, {len(fakes):,} of them say counterfeit")

# %%
filled = listings.notna().mean().sort_values()
print("always filled:", ", ".join(sorted(filled.index[filled == 1])))
print("always empty:", ", ".join(sorted(filled.index[filled == 0])) or "none")
print("partly filled:", ", ".join(f"{name} {share:.0%}" for name, share in filled.items() if 0 < share < 1))

# %% [markdown]
# **For a model.** Only a part of the listings has a label, and a label is what somebody said, not what is so. Columns
# that are half empty are still worth reading: that a brand or an article number is missing is itself a clue, so ipml
# reads missing as missing and never fills in a mean.

# %% [markdown]
# ## How many are counterfeit

# %%
shares = {"among those somebody looked at": labelled["is_counterfeit"].mean()}
if truth is not None:
    shares["among all (only a simulation knows)"] = truth["is_counterfeit"].mean()
for where, share in shares.items():
    print(f"{share:6.1%} {where}")

parts = {}
for category, part in labelled.groupby(labelled["category"].fillna("none given")):
    if (n_sellers := part["seller_id"].nunique()) >= 20:  # of fewer sellers nothing can be said
        parts[f"{category} ({n_sellers:,} sellers)"] = share_of(part["is_counterfeit"], part["seller_id"])
parts = dict(sorted(parts.items(), key=lambda named: -named[1].value)[:15])
whole = labelled["is_counterfeit"].mean()
apart = [name for name, share in parts.items() if not share.low <= whole <= share.high]
plot_intervals(
    parts,
    f"{len(apart)} of {len(parts)} categories differ from the whole by more than chance",
    "share of the labelled listings that is counterfeit; dashed: all of them",
    line=whole,
    stressed=apart,
)

# %% [markdown]
# **For a model.** Counterfeits are rare, so accuracy says nothing: calling every listing genuine is nearly always
# right. The order counts: how many of the listings that people have time to read are counterfeit (precision),
# and how many of all counterfeits are among them (recall). *Average precision* sums both up; drawing blindly reaches
# the share of counterfeits, not 0.5.
#
# The share among labelled listings is not that among all, because people look where they suspect something.
# Probabilities learnt from such labels hold for listings like those. The third notebook shows what a few listings
# drawn at random tell.

# %% [markdown]
# ## Prices beside the usual price
#
# A price alone says little: 80 dollars is dear for a toy and absurd for a watch. So each price is divided by what the
# brand usually costs: the reference price of the brand file, or the median of the brand's own genuine listings where
# the file does not know it.

# %%
brands = load_brands()
references = {brand.name: brands.to_base_currency(brand.reference_price, brand.currency) for brand in brands}
priced = labelled.assign(
    usd=base_prices(labelled, brands.rates),
    brand=listing_brands(ListingColumns.of(labelled), brand_table(brands)).strings(),
)
if priced["usd"].isna().all():  # one currency, or none named: compare the numbers as they are
    priced["usd"] = priced["price"]
medians = priced[priced["label"] == "genuine"].groupby("brand")["usd"].median()
usual = priced["brand"].map(references).fillna(priced["brand"].map(medians))
priced["ratio"] = priced["usd"] / usual.where(usual > 0)
priced = priced[(priced["brand"] != "") & (priced["ratio"] > 0)]

# %%
cheap = priced["ratio"] < 0.5
cheap_fakes, cheap_genuine = (cheap[priced["label"] == label].mean() for label in LABELS)
share = share_of(priced.loc[cheap, "is_counterfeit"], priced.loc[cheap, "seller_id"])
print(f"Of all that ask for less than half, {share.value:.0%} are counterfeit ({share.low:.0%} to {share.high:.0%}).")
plot_histograms(
    {label: priced.loc[priced["label"] == label, "ratio"] for label in LABELS},
    np.geomspace(0.01, 10, 31),
    f"Under half the usual price: {cheap_fakes:.0%} of counterfeits, {cheap_genuine:.0%} of genuine listings",
    "price over the usual price (logarithmic)",
)

# %% [markdown]
# **For a model.** Most counterfeits lie to the left, and used goods, clearances and lawful look-alikes lie there as
# well, so that a price rule hits honest sellers too. Price is one voice among several; `ipml model train` always
# measures such a rule beside the model, so that one sees what the model adds.

# %% [markdown]
# ## Ages of listings and of sellers

# %%
age_days = (labelled["observed_at"] - labelled["listed_at"]).dt.total_seconds() / 86_400
ages = {"the listing": age_days, "the seller's account": labelled["seller_age_days"].astype(float)}
ages = {what: days for what, days in ages.items() if days.notna().any()}

for what, days in ages.items():
    halves = {label: days[labelled["label"] == label] for label in LABELS}
    medians = ", ".join(f"{label} {days.median():,.0f} days" for label, days in halves.items())
    label = f"age of {what} in days (logarithmic)"
    display(plot_histograms(halves, np.geomspace(0.1, 5_000, 30), f"Median age: {medians}", label))

# %% [markdown]
# **For a model.** Where somebody takes counterfeits down they are young, for they are listed anew, from new accounts.
# Yet every honest seller was new once. A model that leans on age alone punishes newcomers, which is why the report
# page counts false alarms for new and small sellers apart, and the gate refuses models that raise far more of them
# there.
#
# Age and history must be *as known when the listing was looked at*. A count of complaints read today knows what the
# decision brought about, and a model learns to read the decision.

# %% [markdown]
# ## Sellers: who holds the counterfeits

# %%
per_seller = labelled.groupby("seller_id")["is_counterfeit"].agg(fakes="sum", listings="size").astype(float)
held = per_seller["fakes"].sort_values(ascending=False).to_numpy()
n_offenders = int((held > 0).sum())

plot_lines(
    {f"{n_offenders:,} sellers hold all of them": np.append(0, held[: 2 * n_offenders].cumsum() / held.sum())},
    f"Ten sellers of {len(held):,} hold {held[:10].sum() / held.sum():.0%} of the counterfeits",
    "sellers, those with most counterfeits first",
    "share of all labelled counterfeits",
)

# %%
n_offers = listings.groupby("seller_id").size()
size = pd.cut(
    labelled["seller_id"].map(n_offers), [0, 1, 9, 99, np.inf], labels=["1", "2 to 9", "10 to 99", "100 or more"]
)
rows = {
    f"{name} ({part['seller_id'].nunique():,} sellers)": share_of(part["is_counterfeit"], part["seller_id"])
    for name, part in labelled.groupby(size, observed=True)
}
plot_intervals(rows, "Counterfeit, by the number of the seller's listings", "share of the labelled listings")

# %% [markdown]
# **For a model.** Size may count, but only beside what the seller offers: most sellers of any size are honest, and few
# large ones tell little about the next.
#
# ## Why a random split lies

# %%
split = leaking_random_split(labelled)
learnt_from, tested = labelled.iloc[split.train], labelled.iloc[split.test]
known_offenders = set(learnt_from.loc[learnt_from["is_counterfeit"].astype(bool), "seller_id"])
is_known = tested.loc[tested["is_counterfeit"].astype(bool), "seller_id"].isin(known_offenders)
print(f"Split at random, {is_known.mean():.0%} of the test's counterfeits are of sellers already caught in training.")

# %% [markdown]
# **For a model.** This is the figure to remember. Listings of one seller share words, prices and history. Split them
# at random, and most counterfeits of the test have a sibling in training: the model need not know what a counterfeit
# is, only whose it is. Tomorrow's counterfeits come from accounts nobody has seen.
#
# So the *seller* is the unit, twice over. A test holds sellers that training has not seen. And the uncertainty of a
# figure comes from the number of sellers: a hundred listings of one seller are closer to one observation than to a
# hundred. `train_and_compare` measures how far a random split flatters.
#
# ## What knows the answer beforehand
#
# A column that leaks makes a model look brilliant until it is used. The audit looks for such columns: called like an
# outcome, too good alone, filled for one class only, damaged in one class only, naming the seller and not the goods, or
# known only after the decision. `ipml model leakage-audit FILE` does the same.

# %%
y = labelled["is_counterfeit"].to_numpy(dtype=bool)


def show_leaks(table):
    """Print what the audit finds in a table of the labelled listings."""
    report = audit_leakage(table, y, listings=table, events=events, leave_out=["label"])
    print(*[f"- {leak.sentence}." for leak in report.leaks] or ["Nothing was found."], *report.notes, sep="\n")


show_leaks(labelled)

# %% [markdown]
# The commonest leak is a matter of moments. The history of a seller is read from the database *today*, for listings
# that were judged months ago; since then the decision has had its consequences. Here the same columns are read so.

# %%
if events is not None:
    today = labelled.assign(observed_at=labelled["labelled_at"].max())
    read_today = labelled.assign(**{name: column.array for name, column in history_as_of(events, today).items()})
    show_leaks(read_today)

# %%
if events is not None:
    names = ["seller_strikes", "seller_complaints", "seller_returns", "seller_sales", "seller_age_days"]
    folds = Folds.of(y, labelled["seller_id"].to_numpy(dtype=object)).by_seller
    moments = {"as known then": labelled, "as read today": read_today}
    alone = {
        when: [predict_from_column(table[name], y, folds).precision for name in names]
        for when, table in moments.items()
    }
    print(f"Average precision of one column alone, on sellers not seen; drawn blindly, {y.mean():.2f}:")
    display(pd.DataFrame(alone, names).round(2))

# %% [markdown]
# **For a model.** Give seller *events* with the moment each became known, and ipml computes the history as it was then
# (`events` in an experiment). Where only columns exist, keep a copy of them with each decision.

# %% [markdown]
# ## Words of the trade
#
# Sellers of replicas write for buyers who look for replicas: "AAA", "1:1", "mirror". Few say "fake". Lawful sellers
# use some of the same words (AAA batteries, 1:1 scale models, "no replica"), so ipml counts them by kind and in their
# context.

# %%
words = TradeWords().fit(labelled)
counts = pd.DataFrame(words.transform(labelled), columns=words.get_feature_names_out()) > 0
in_title = pd.DataFrame({kind: counts[f"{kind}_in_title"] for kind in KINDS})


def compare_labels(flags, title, label):
    """Draw which share of the counterfeits has each flag, beside the share of the genuine listings."""
    is_fake = labelled["is_counterfeit"].astype(bool)
    rows = {name: share_of(flags.loc[is_fake, name], fakes["seller_id"]) for name in flags}
    return plot_intervals(rows, title, label, marks=[flags.loc[~is_fake, name].mean() for name in flags])


examples = {
    kind: ", ".join([kind, *(f"“{word.rstrip('*')}”" for word in load_lexicon().phrases(kind)[:1])]) for kind in KINDS
}
found = in_title.loc[labelled["label"] == "counterfeit", ["replica", "grade"]].any(axis=1).mean()
title = f"{found:.0%} of counterfeit titles name a replica or its grade"
compare_labels(
    in_title.rename(columns=examples), title, "share of counterfeit titles with such a word; black: of genuine ones"
)

# %% [markdown]
# **For a model.** A list of words is the baseline to beat, and it is precise where it speaks. Those counterfeiters who
# say nothing of the kind it never finds; what betrays them is the sum of many small things, each of which has an
# innocent explanation.

# %% [markdown]
# ## Disguise
#
# Who must not be found writes `N1k3`, puts an invisible letter inside a name, or takes a Cyrillic `а` for a Latin
# one. People read on; a filter that compares letters does not. ipml folds every text into what a reader sees, and
# keeps count of what folding had to undo.

# %%
table = brand_table(brands)
plain = labelled["title"].str.lower()
folded = labelled["title"].map(fold_text)
hidden = pd.DataFrame(
    {
        "mixed scripts or invisible letters": labelled["title"].map(count_disguises) > 0,
        "a brand that only folding reveals": [
            any(name.lower() in after and name.lower() not in before for name in table["names"])
            for before, after in zip(plain, folded, strict=True)
        ],
    }
)
either = hidden.any(axis=1).groupby(labelled["label"]).mean()
title = f"In disguise: {either['counterfeit']:.1%} of counterfeit titles, {either['genuine']:.1%} of genuine ones"
compare_labels(hidden, title, "share of counterfeit titles; black: of genuine ones")

# %%
disguised = labelled.loc[hidden.any(axis=1), "title"]
as_seen = {"as people see it": disguised, "as a program does": disguised.map(ascii), "folded": disguised.map(fold_text)}
pd.DataFrame(as_seen).head(6)

# %% [markdown]
# **For a model.** Fold first, then count letters and words; otherwise each disguise is a new word that training has
# never seen. A disguise alone is a strong clue, though a rare one: a genuine title in Cyrillic or
# with an accent is no disguise.
#
# ## What follows
#
# - Rank, do not classify: average precision, and precision among the first few hundred.
# - Split by seller and by time; believe intervals over sellers.
# - Compare with a list of words and a price rule before believing that learning helped.
# - Read history as it was known then.
#
# `train_and_compare` does all of that.
