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
# # scikit-learn with ipml
#
# `CounterfeitClassifier` is an estimator of scikit-learn. This notebook follows scikit-learn's user guide and uses its
# tools as they are: pipelines, cross-validation, searches, displays, inspection, thresholds, ensembles.
#
# Three things differ from other classifiers:
#
# - It reads a frame with named columns; only `seller_id` is required. Absent columns count as missing.
# - Listings of one seller are alike. Folds must keep sellers together, or figures are too good.
# - Its probabilities are calibrated, on sellers left out. `CalibratedClassifierCV` is not needed.
#
# The marketplace is that of `data/sample`, simulated. The next cell takes a file of your own instead.

# %% tags=["parameters"]
FILE = None  # a file of your own: its full path, or its name in the folder IPML_DATA; None simulates a marketplace
COLUMNS = None  # which of its columns are which: a bundled map such as "ozon-ecup", or the full path of a file

# %%
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow.parquet
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    PrecisionRecallDisplay,
    average_precision_score,
    fbeta_score,
    make_scorer,
    precision_score,
    recall_score,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    LearningCurveDisplay,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.settings import get_settings
from ipml.simulation.marketplace import simulate_marketplace

# %%
if FILE:
    (validation,) = read_listings(get_settings().data / FILE, load_columns(COLUMNS) if COLUMNS else None)
    listings = validation.listings
else:
    listings = simulate_marketplace(n_listings=6_000, seed=3).listings

labelled = listings[listings["is_counterfeit"].notna()]
sellers = labelled["seller_id"].drop_duplicates().sample(frac=1, random_state=0)
few = sellers[labelled["seller_id"].value_counts()[sellers].cumsum().to_numpy() <= 1_000]  # enough for a lesson
labelled = labelled[labelled["seller_id"].isin(few)].reset_index(drop=True)
X, y = labelled.drop(columns=["is_counterfeit", "labelled_at"]), labelled["is_counterfeit"].astype(int)
sellers = X["seller_id"]
print(f"{len(X):,} listings of {sellers.nunique():,} sellers, {y.mean():.1%} counterfeit")

# %% [markdown]
# ## Fit and predict
#
# The split keeps sellers together. `score` is the accuracy, as everywhere in scikit-learn. Few listings are
# counterfeit, so it says little; average precision says more.

# %%
learnt, tested = next(GroupShuffleSplit(1, test_size=0.4, random_state=0).split(X, y, groups=sellers))
X_train, y_train, X_test, y_test = X.iloc[learnt], y.iloc[learnt], X.iloc[tested], y.iloc[tested]

classifier = CounterfeitClassifier(n_folds=3)
classifier.fit(X_train, y_train)

# %%
print(f"accuracy {classifier.score(X_test, y_test):.3f}")
PrecisionRecallDisplay.from_estimator(classifier, X_test, y_test, plot_chance_level=True)
plt.show()

# %% [markdown]
# ## Calibration
#
# Some 30 % of the listings scored 30 % should be counterfeit: then the points lie on the diagonal.

# %%
CalibrationDisplay.from_estimator(classifier, X_test, y_test, n_bins=5, strategy="quantile")
plt.show()

# %% [markdown]
# ## Features of one's own
#
# Any transformer of listing columns stands beside ipml's extractors, a `ColumnTransformer` too. It learns without
# labels and must return finite numbers. Its parameters are parameters of the classifier.

# %%
numbers = make_pipeline(SimpleImputer(), StandardScaler())
own = ColumnTransformer(
    [
        ("words", TfidfVectorizer(min_df=3), "title"),
        ("kinds", OneHotEncoder(handle_unknown="ignore"), ["condition", "country"]),
        ("numbers", numbers, ["price", "seller_sales"]),
    ]
)
extended = CounterfeitClassifier(make_features(own={"mine": own}), n_folds=3).fit(X_train, y_train)
[name for name in extended.get_feature_names_out() if name.startswith("mine__kinds")]

# %% [markdown]
# ## Cross-validation
#
# With metadata routing `groups` goes to the splitter and `sample_weight` to the classifier, which has to ask for it.

# %%
balanced = compute_sample_weight("balanced", y)
average_precision = make_scorer(average_precision_score, response_method="predict_proba")
with config_context(enable_metadata_routing=True):
    weighted = clone(classifier).set_fit_request(sample_weight=True)
    scorer = average_precision.set_score_request(sample_weight=False)
    given = {"groups": sellers, "sample_weight": balanced}
    results = cross_validate(weighted, X, y, params=given, cv=GroupKFold(3), scoring=scorer, n_jobs=2)
results["test_score"].round(3)

# %% [markdown]
# Folds that split sellers flatter, and a warning says so:

# %%
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    cross_validate(classifier, X, y, cv=2)
print(warned[0].message)

# %% [markdown]
# ## Searches
#
# `learner` takes the place of ipml's linear learner in the first stage: any probabilistic classifier, on the same
# features. `None` is ipml's own. `"drop"` leaves an extractor out.

# %%
grid = [
    {"learner": [None]},
    {"learner": [LogisticRegression(max_iter=500)], "learner__C": [0.1, 1.0]},
    {"features__seller": ["drop"]},
]
search = GridSearchCV(clone(classifier), grid, cv=GroupKFold(2), scoring="average_precision")
search.fit(X, y, groups=sellers)
pd.DataFrame(search.cv_results_)[["params", "mean_test_score"]]

# %%
space = {
    "C": np.geomspace(0.01, 1.0, 20),
    "features__title__letters": [(2, 4), (2, 5)],
    "features__mine__transformer__words__min_df": [2, 5],
}
search = RandomizedSearchCV(
    clone(extended), space, n_iter=3, cv=GroupKFold(2), scoring="average_precision", random_state=0, n_jobs=2
)
search.fit(X, y, groups=sellers).best_params_

# %% [markdown]
# ## Learning and validation curves
#
# More sellers help. Without a `C` of its own the classifier chooses the penalty on sellers held back.

# %%
options = {"groups": sellers, "cv": GroupKFold(2), "scoring": "average_precision", "n_jobs": 2}
sizes = {"train_sizes": [0.3, 0.6, 1.0], "shuffle": True, "random_state": 0}
LearningCurveDisplay.from_estimator(clone(classifier), X, y, **options, **sizes)
plt.show()

# %%
penalties = {"param_name": "C", "param_range": [0.003, 0.03, 0.3]}
ValidationCurveDisplay.from_estimator(clone(classifier), X, y, **options, **penalties).ax_.set_xscale("log")
plt.show()

# %% [markdown]
# ## Inspection
#
# Permutation importance shuffles one column at a time. Moments belong together: a listing with another's `listed_at`
# seems very old, or listed after it was seen. The reasons of a single score come from `ipml.Scorer`.

# %%
importance = permutation_importance(
    classifier, X_test, y_test, scoring="average_precision", n_repeats=3, random_state=0, n_jobs=2
)
pd.Series(importance.importances_mean, X.columns).sort_values(ascending=False).head(6).round(3)

# %%
named = clone(classifier).set_output(transform="pandas").fit(X_train, y_train)
named.transform(X_test).filter(like="seller__").head(3)

# %% [markdown]
# ## Thresholds
#
# The classifier has none. One that is tuned needs sellers left out, so `groups` are passed on here, too. Rank a queue
# by the probability instead where reviewers read the top of a list.

# %%
doubly_precise = make_scorer(fbeta_score, beta=0.5)
with config_context(enable_metadata_routing=True):
    tuned = TunedThresholdClassifierCV(clone(classifier), scoring=doubly_precise, cv=GroupKFold(3))
    tuned.fit(X_train, y_train, groups=X_train["seller_id"])
fixed = FixedThresholdClassifier(classifier, threshold=0.3)
for name, chosen in ((f"tuned to {tuned.best_threshold_:.2f}", tuned), ("fixed at 0.30", fixed)):
    found = chosen.predict(X_test)
    precision, recall = precision_score(y_test, found, zero_division=0), recall_score(y_test, found)
    print(f"{name}: precision {precision:.2f}, recall {recall:.2f}")

# %% [markdown]
# ## Pipelines and ensembles
#
# It stands last in a pipeline, as long as the steps before give frames with named columns. It is a member of ensembles:
# these rename labels by their order, so give 0 and 1. The folds of a stack keep sellers together if they are given.

# %%
repaired = FunctionTransformer(lambda frame: frame.assign(title=frame["title"].str.replace("[HOT]", "", regex=False)))
pipeline = make_pipeline(repaired, clone(classifier)).fit(X_train, y_train)
words = make_pipeline(ColumnTransformer([("words", TfidfVectorizer(min_df=3), "title")]), LogisticRegression())
members = [("ipml", clone(classifier)), ("words", words)]
by_seller = list(GroupKFold(3).split(X_train, y_train, X_train["seller_id"]))
models = {
    "ipml": classifier,
    "pipeline": pipeline,
    "vote": VotingClassifier(members, voting="soft").fit(X_train, y_train),
    "stack": StackingClassifier(members, cv=by_seller).fit(X_train, y_train),
}
_, axes = plt.subplots()
for name, model in models.items():
    PrecisionRecallDisplay.from_estimator(model, X_test, y_test, name=name, ax=axes)
plt.show()

# %% [markdown]
# ## Files, processes and other frames
#
# `joblib` keeps a fitted classifier. Tables of pyarrow and frames of polars score as those of pandas. A pickle runs
# code when it is loaded: `ipml.model.model_file.save_model` writes a file without any, for commands and services.

# %%
with TemporaryDirectory(prefix="ipml-notebook-") as folder:
    joblib.dump(classifier, Path(folder) / "classifier.joblib")
    again = joblib.load(Path(folder) / "classifier.joblib")
    X_test.to_parquet(Path(folder) / "listings.parquet")
    table = pyarrow.parquet.read_table(Path(folder) / "listings.parquet")
probability = classifier.predict_proba(X_test)
(again.predict_proba(X_test) == probability).all(), (classifier.predict_proba(table) == probability).all()
