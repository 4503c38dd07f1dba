/* What numbers say of a listing, a price and a seller, worked out row by row.

   Blocks of numbers are computed like single ones, so that a listing scores the same alone and in
   any batch. Logarithms are those of the C library, as everywhere. Unknown values, NaN, become 0 at the end. */
#include "features/numbers.h"

#include <math.h>

static const int64_t NEVER = INT64_MIN; /* a moment that is unknown */
static const double MICROSECONDS_A_DAY = 86400000000.0;
enum { NUMBERS_AT_ONCE = 64, COLUMNS_AT_ONCE = 16 }; /* of vectors, and of directions */

EXPORT outcome natural_log(doubles values, doubles_out logs) {
    REQUIRE(logs.n == values.n);
    for (int64_t i = 0; i < values.n; i++) logs.at[i] = log(values.at[i]);
    return 0;
}

/* Add to each total its row's values, each times the weight of its column, from left to right. */
EXPORT outcome add_rows(doubles values, doubles weights, doubles_out total) {
    REQUIRE(values.n == total.n * weights.n);
    const double *value = values.at;
    for (int64_t row = 0; row < total.n; row++) {
        double added = 0.0;
        for (int64_t column = 0; column < weights.n; column++) added += *value++ * weights.at[column];
        total.at[row] += added;
    }
    return 0;
}

static double size_of_vector(const float *vector, int64_t n) {
    double size = 0.0;
    for (int64_t i = 0; i < n; i++) size += (double)vector[i] * (double)vector[i];
    return sqrt(size);
}

/* Add some numbers in some directions, each a row of `n`, to so many columns that their sums stay in registers. */
static void add_columns(const double *numbers, int64_t n_numbers, const double *directions, int64_t n, double *values) {
    double sums[COLUMNS_AT_ONCE];
    memcpy(sums, values, sizeof sums);
    for (int64_t i = 0; i < n_numbers; i++) {
        for (int64_t column = 0; column < COLUMNS_AT_ONCE; column++) {
            sums[column] += numbers[i] * directions[i * n + column];
        }
    }
    memcpy(values, sums, sizeof sums);
}

static void add_column(const double *numbers, int64_t n_numbers, const double *directions, int64_t n, double *value) {
    for (int64_t i = 0; i < n_numbers; i++) *value += numbers[i] * directions[i * n];
}

/* Add what a vector is in some directions from a middle, its numbers in their order. */
static void add_directions(const float *vector, double size, doubles mean, const double *directions, int64_t n,
                           double *values) {
    double off[NUMBERS_AT_ONCE];
    for (int64_t first = 0; first < mean.n; first += NUMBERS_AT_ONCE) {
        int64_t n_off = min_of(NUMBERS_AT_ONCE, mean.n - first), column = 0;
        for (int64_t i = 0; i < n_off; i++) off[i] = (double)vector[first + i] / size - mean.at[first + i];
        const double *rows = directions + first * n;
        for (; column + COLUMNS_AT_ONCE <= n; column += COLUMNS_AT_ONCE) {
            add_columns(off, n_off, rows + column, n, values + column);
        }
        for (; column < n; column++) add_column(off, n_off, rows + column, n, values + column);
    }
}

/* Write what each vector, brought to length 1, is in some directions from a middle; 0 for one of zeros. `directions`
   has a row for each number of a vector. */
EXPORT outcome project_vectors(floats vectors, doubles mean, doubles directions, doubles_out values) {
    REQUIRE(mean.n > 0 && vectors.n % mean.n == 0 && directions.n % mean.n == 0);
    REQUIRE(values.n == vectors.n / mean.n * (directions.n / mean.n));
    for (int64_t i = 0; i < values.n; i++) values.at[i] = 0.0;
    int64_t n = directions.n / mean.n;
    for (int64_t row = 0; row < vectors.n / mean.n; row++) {
        const float *vector = vectors.at + row * mean.n;
        double size = size_of_vector(vector, mean.n);
        if (size != 0.0) add_directions(vector, size, mean, directions.at, n, values.at + row * n);
    }
    return 0;
}

/* Write the days from one moment in microseconds to another; NaN where either is unknown. */
EXPORT outcome count_days(int64s begins, int64s ends, doubles_out days) {
    REQUIRE(ends.n == begins.n && days.n == begins.n);
    for (int64_t row = 0; row < begins.n; row++) {
        bool is_known = begins.at[row] != NEVER && ends.at[row] != NEVER;
        int64_t between = (int64_t)((uint64_t)ends.at[row] - (uint64_t)begins.at[row]);
        days.at[row] = is_known ? (double)between / MICROSECONDS_A_DAY : NAN;
    }
    return 0;
}

/* Write moments in microseconds, or other ones where they are unknown, in nanoseconds; one after the least
   where both are unknown. */
EXPORT outcome choose_moments(int64s wanted, int64s others, int64s_out moments) {
    REQUIRE(others.n == wanted.n && moments.n == wanted.n);
    for (int64_t row = 0; row < wanted.n; row++) {
        int64_t moment = wanted.at[row] == NEVER ? others.at[row] : wanted.at[row];
        moments.at[row] = moment == NEVER ? NEVER + 1 : (int64_t)(1000 * (uint64_t)moment);
    }
    return 0;
}

void are_unfamiliar(int64s n_all, int64s n_known, double used, uint8s_out unfamiliar) {
    for (int64_t row = 0; row < n_all.n; row++) {
        double n_ngrams = (double)max_of(n_all.at[row], 1);
        double by_chance = used + 3.0 * sqrt(used * (1.0 - used) / n_ngrams);
        unfamiliar.at[row] = (double)n_known.at[row] / n_ngrams <= (0.9 < by_chance ? 0.9 : by_chance);
    }
}

static double or_zero(double value) { return isnan(value) ? 0.0 : value; }

/* A value, NaN as it is, held within bounds; without a branch. */
static double within(double value, double least, double most) {
    double lowered = value > most ? most : value;
    return lowered < least ? least : lowered;
}

outcome describe_listings(const listing_figures *of, doubles age_steps_days, double prior_sales, doubles_out values) {
    REQUIRE(of->sales.n == of->age_days.n && of->returns.n == of->age_days.n && of->rating.n == of->age_days.n);
    REQUIRE(of->reviews.n == of->age_days.n && of->letters.n == of->age_days.n && of->has_code.n == of->age_days.n);
    REQUIRE(values.n == of->age_days.n * (N_OF_LISTING + age_steps_days.n));
    double log_of_year = log(366.0), log_of_many = log(1001.0);
    double *value = values.at;
    for (int64_t row = 0; row < of->age_days.n; row++) {
        double age = of->age_days.at[row] < 0.0 ? 0.0 : of->age_days.at[row];
        *value++ = or_zero(log(1.0 + age) / log_of_year);
        for (int64_t step = 0; step < age_steps_days.n; step++) *value++ = age < age_steps_days.at[step];
        *value++ = isnan(age) != 0;
        *value++ = or_zero(log(1.0 + of->sales.at[row]) / log_of_many);
        *value++ = or_zero(of->returns.at[row] / (of->sales.at[row] + prior_sales));
        *value++ = or_zero(1.0 - of->rating.at[row]);
        *value++ = of->reviews.at[row] > 0.0;
        *value++ = of->letters.at[row] > 0;
        *value++ = log(1.0 + (double)of->letters.at[row]) / log_of_many;
        *value++ = of->has_code.at[row];
    }
    return 0;
}

/* By how much a rate is above the usual one, on a log scale; NaN where it is unknown. */
static double log_rate(double events, double sales, double usual, double prior_sales, double most) {
    if (usual <= 0.0) return 0.0;
    return within(log((events + prior_sales * usual) / (sales + prior_sales) / usual), -most, most);
}

outcome describe_sellers(const seller_figures *of, doubles usual, double prior_sales, double most, doubles_out values) {
    REQUIRE(of->returns.n == of->sales.n && of->complaints.n == of->sales.n && of->rating.n == of->sales.n);
    REQUIRE(of->strikes.n == of->sales.n && usual.n == 3 && values.n == of->sales.n * N_OF_SELLER);
    for (int64_t row = 0; row < of->sales.n; row++) {
        double *value = values.at + row * N_OF_SELLER;
        double sales = of->sales.at[row], rating = of->rating.at[row];
        value[0] = or_zero(log_rate(of->returns.at[row], sales, usual.at[0], prior_sales, most));
        value[1] = or_zero(log_rate(of->complaints.at[row], sales, usual.at[1], prior_sales, most));
        value[2] = usual.at[2] > rating ? 10.0 * (usual.at[2] - rating) : 0.0;
        value[3] = or_zero(log(1.0 + of->strikes.at[row]));
    }
    return 0;
}

/* By how much a price is too low, on a log scale, given the logarithm of its ratio; 0 where it is not, or where it is
   unknown. */
static double shortfall(double ratio, double log_ratio, double most) {
    if (isnan(ratio)) return 0.0;
    return ratio > 0.0 ? within(-log_ratio, 0.0, most) : most;
}

outcome describe_prices(doubles to_reference, doubles to_category, doubles steps, double least_of_category, double most,
                        doubles_out values) {
    REQUIRE(to_category.n == to_reference.n && values.n == to_reference.n * (N_OF_PRICE + steps.n));
    double log_of_least = log(least_of_category);
    double *value = values.at;
    for (int64_t row = 0; row < to_reference.n; row++) {
        double reference = to_reference.at[row], category = to_category.at[row], log_category = log(category);
        *value++ = shortfall(reference, log(reference), most);
        for (int64_t step = 0; step < steps.n; step++) *value++ = reference < steps.at[step];
        *value++ = shortfall(category, log_category, most);
        *value++ = log_category < log_of_least;
    }
    return 0;
}
