"""The arithmetic of promises."""

from bisect import bisect_left

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from ipml.enforcement.automation.sample import lasting_bound, suspicion

COUNTS = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=20)
@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_bound_for_all_looks_is_never_above_that_for_one(counts, promise, confidence):
    """Who may look whenever they like pays for it: one look allows the bound of Clopper and Pearson."""
    n, errors = counts
    exact = beta.ppf(1 - confidence, n - errors, errors + 1) if errors < n else 0.0
    assert 0 <= lasting_bound(n, errors, promise, confidence) <= exact + 1e-9


@settings(max_examples=20)
@given(COUNTS, st.sampled_from([0.9, 0.99]))
def test_the_bound_falls_with_errors_and_rises_with_right_cases(counts, promise):
    """Another error never helps, another counterfeit never harms."""
    n, errors = counts
    bound = lasting_bound(n, errors, promise, 0.95)
    assert lasting_bound(n + 1, errors + 1, promise, 0.95) <= bound + 1e-9
    assert lasting_bound(n + 1, errors, promise, 0.95) >= bound - 1e-9


def test_looking_every_time_the_promise_is_given_wrongly_in_one_of_twenty_at_most():
    """Brands just as good as promised are found good enough at any of 2,000 looks in at most 5 %."""
    rng = np.random.default_rng(11)
    # For each n the most errors with which the promise holds: what is looked up 400,000 times is reckoned once.
    looks = np.arange(300, 2_001, 10)
    most = np.array([_most_errors(int(n)) for n in looks])
    errors = np.cumsum(rng.random((2_000, 2_000)) > 0.99, axis=1)[:, looks - 1]
    assert (errors <= most).any(axis=1).mean() <= 0.05


def _most_errors(n: int) -> int:
    errors = -1
    while lasting_bound(n, errors + 1, 0.99, 0.95) >= 0.99:
        errors += 1
    return errors


def test_false_alarms_are_as_rare_as_said():
    """With precision just as promised, an alarm at 100 comes after more than 100 cases on average."""
    rng = np.random.default_rng(5)
    waits = []
    for _ in range(30):
        is_right = rng.random(1_000) < 0.99
        waits.append(bisect_left(range(1_000), 100, key=lambda n: suspicion(is_right[:n], 0.99)))
    assert np.mean(waits) > 100


def test_a_collapse_is_noticed_within_a_few_cases():
    """When one in five turns out wrong, 500 right ones before do not hide it for more than 20 cases on average."""
    rng = np.random.default_rng(5)
    waits = []
    for _ in range(30):
        is_right = [True] * 500 + list(rng.random(100) < 0.8)
        waits.append(bisect_left(range(100), 100, key=lambda n: suspicion(is_right[: 500 + n], 0.99)))
    assert np.mean(waits) < 20


@settings(max_examples=20)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.9, 0.99]))
def test_suspicion_is_never_lost_again(is_right, promise):
    """What once spoke against a promise is not outweighed by what comes later."""
    assert suspicion([*is_right, True], promise) >= suspicion(is_right, promise) >= 1
