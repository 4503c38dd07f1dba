"""What numbers say of a listing, a price and a seller, worked out row by row.

numpy works in blocks, and the last bit of a logarithm can depend on where in an array a value stands; here it does not,
so that a listing scores the same alone and in any batch. What is unknown, NaN, becomes 0 at the end.
"""

import numpy as np

from ipml.features.compiled.machine_code import compiled, plain_njit

NEVER = np.iinfo(np.int64).min
"""A moment that is unknown."""
MICROSECONDS_A_DAY = 86_400_000_000


@compiled
def natural_log(values):
    """Return the logarithm of each value."""
    logs = np.empty(values.size)
    for i in range(values.size):
        logs[i] = np.log(values[i])
    return logs


@compiled
def add_rows(values, weights, total):
    """Add to each total its row's values, each times the weight of its column, from left to right."""
    for row in range(values.shape[0]):
        added = 0.0
        for column in range(values.shape[1]):
            added += values[row, column] * weights[column]
        total[row] += added


@compiled
def project_vectors(vectors, mean, directions):
    """Return what each vector, brought to length 1, is in some directions from a middle; 0 for one of zeros.

    Parameters
    ----------
    vectors : array of float32, shape (n_vectors, n_numbers)
    mean : array of shape (n_numbers,)
    directions : array of shape (n_numbers, n_directions)
    """
    values = np.zeros((vectors.shape[0], directions.shape[1]))
    for row in range(vectors.shape[0]):
        size = 0.0
        for i in range(mean.size):
            size += np.float64(vectors[row, i]) * np.float64(vectors[row, i])
        if size == 0.0:
            continue
        size = np.sqrt(size)
        for i in range(mean.size):
            off = vectors[row, i] / size - mean[i]
            for column in range(directions.shape[1]):
                values[row, column] += off * directions[i, column]
    return values


@compiled
def count_days(begins, ends):
    """Return the days from one moment in microseconds to another; NaN where either is unknown."""
    days = np.empty(begins.size)
    for row in range(begins.size):
        is_known = begins[row] != NEVER and ends[row] != NEVER
        days[row] = (ends[row] - begins[row]) / MICROSECONDS_A_DAY if is_known else np.nan
    return days


@compiled
def choose_moments(wanted, others):
    """Return moments in microseconds, or other ones where they are unknown, in nanoseconds.

    Where both are unknown it is one nanosecond after `NEVER`.
    """
    moments = np.empty(wanted.size, np.int64)
    for row in range(wanted.size):
        moment = others[row] if wanted[row] == NEVER else wanted[row]
        moments[row] = NEVER + 1 if moment == NEVER else 1_000 * moment
    return moments


@compiled
def are_unfamiliar(n_all, n_known, used):
    """Say which texts know no more of their n-grams than chance would, where `used` of all columns are in use."""
    unfamiliar = np.empty(n_all.size, np.bool_)
    for row in range(n_all.size):
        n_ngrams = max(n_all[row], 1)
        by_chance = used + 3.0 * np.sqrt(used * (1.0 - used) / n_ngrams)
        unfamiliar[row] = n_known[row] / n_ngrams <= min(by_chance, 0.9)
    return unfamiliar


@plain_njit
def _or_zero(value):
    return 0.0 if np.isnan(value) else value


@plain_njit
def _within(value, least, most):
    """Return a value, NaN as it is, held within bounds."""
    if value < least:
        return least
    return most if value > most else value


@compiled
def describe_listings(age_days, sales, returns, rating, reviews, letters, has_code, age_steps_days, prior_sales):
    """Return the values of `ListingFeatures`, shape (n_listings, 9 + number of steps)."""
    n_steps = age_steps_days.size
    values = np.zeros((age_days.size, 9 + n_steps))
    for row in range(age_days.size):
        age = max(age_days[row], 0.0) if not np.isnan(age_days[row]) else np.nan
        value = values[row]
        value[0] = _or_zero(np.log(1.0 + age) / np.log(366.0))
        for step in range(n_steps):
            value[1 + step] = age < age_steps_days[step]
        rest = value[1 + n_steps :]
        rest[0] = np.isnan(age)
        rest[1] = _or_zero(np.log(1.0 + sales[row]) / np.log(1_001.0))
        rest[2] = _or_zero(returns[row] / (sales[row] + prior_sales))
        rest[3] = _or_zero(1.0 - rating[row])
        rest[4] = reviews[row] > 0
        rest[5] = letters[row] > 0
        rest[6] = np.log(1.0 + letters[row]) / np.log(1_001.0)
        rest[7] = has_code[row]
    return values


@plain_njit
def _log_rate(events, sales, usual, prior_sales, most):
    """Return by how much a rate is above the usual one, on a log scale; NaN where it is unknown."""
    if usual <= 0.0:
        return 0.0
    return _within(np.log((events + prior_sales * usual) / (sales + prior_sales) / usual), -most, most)


@compiled
def describe_sellers(sales, returns, complaints, rating, strikes, usual, prior_sales, most):
    """Return the values of `SellerFeatures`, shape (n_listings, 4).

    `usual` holds the usual rates of returns and of complaints, and the usual rating.
    """
    values = np.zeros((sales.size, 4))
    for row in range(sales.size):
        values[row, 0] = _or_zero(_log_rate(returns[row], sales[row], usual[0], prior_sales, most))
        values[row, 1] = _or_zero(_log_rate(complaints[row], sales[row], usual[1], prior_sales, most))
        if usual[2] > rating[row]:
            values[row, 2] = 10.0 * (usual[2] - rating[row])
        values[row, 3] = _or_zero(np.log(1.0 + strikes[row]))
    return values


@plain_njit
def _shortfall(ratio, most):
    """Return by how much a price is too low, on a log scale; 0 where it is not, or where it is unknown."""
    if np.isnan(ratio):
        return 0.0
    return _within(-np.log(ratio), 0.0, most) if ratio > 0.0 else most


@compiled
def describe_prices(to_reference, to_category, steps, least_of_category, most):
    """Return the values of `PriceFeatures` from prices over what they are compared with, 3 and one a step a row."""
    n_steps = steps.size
    values = np.zeros((to_reference.size, 3 + n_steps))
    for row in range(to_reference.size):
        value = values[row]
        value[0] = _shortfall(to_reference[row], most)
        for step in range(n_steps):
            value[1 + step] = to_reference[row] < steps[step]
        value[1 + n_steps] = _shortfall(to_category[row], most)
        value[2 + n_steps] = np.log(to_category[row]) < np.log(least_of_category)
    return values
