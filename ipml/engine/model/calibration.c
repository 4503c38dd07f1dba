/* Log-odds turned into probabilities and the bounds of their intervals, as `ipml.model.calibration` explains. */
#include "model/calibration.h"

#include <math.h>

static const double LEAST_VARIANCE = 1e-12; /* rounding could make a tiny one negative */

static double expit(double value) { return 1.0 / (1.0 + exp(-value)); }

static bool is_calibration_table(const calibration_table *of) {
    int64_t n_categories = of->category_effects.n, n_brands = of->brand_effects.n;
    return of->of_line.n == 4 && of->with_categories.n == 2 * n_categories && of->with_brands.n == 2 * n_brands &&
           of->category_variances.n == n_categories && of->brand_variances.n == n_brands &&
           of->of_pairs.n == n_categories * n_brands;
}

/* The variance of the log-odds of a listing with category c and brand b. */
static double variance_of(const calibration_table *table, double z, int64_t c, int64_t b) {
    const double *line = table->of_line.at;
    const double *category = &AT(table->with_categories, 2 * c), *brand = &AT(table->with_brands, 2 * b);
    double shared = line[1] * z + AT(table->of_pairs, b * table->category_effects.n + c);
    shared += (category[0] + brand[0]) * z + (category[1] + brand[1]);
    double own = line[0] * z * z + line[3] + AT(table->category_variances, c) + AT(table->brand_variances, b);
    double variance = own + 2.0 * shared;
    return variance < LEAST_VARIANCE ? LEAST_VARIANCE : variance;
}

/* Write the probability of each listing, then the lower bound of each, then the upper bound of each. */
EXPORT outcome judge_rows(doubles log_odds, int64s category, int64s brand, const calibration_table *table,
                   doubles_out judged) {
    REQUIRE(category.n == log_odds.n && brand.n == log_odds.n && judged.n == 3 * log_odds.n);
    REQUIRE(is_calibration_table(table));
    REQUIRE(are_below(category, table->category_effects.n) && are_below(brand, table->brand_effects.n));
    int64_t n = log_odds.n;
    double *score = judged.at, *low = score + n, *high = low + n;
    for (int64_t row = 0; row < n; row++) {
        int64_t c = category.at[row], b = brand.at[row];
        double line = table->slope * log_odds.at[row] + table->intercept;
        double centre = line + (AT(table->category_effects, c) + AT(table->brand_effects, b));
        double margin = table->quantile * sqrt(variance_of(table, table->slope > 0.0 ? log_odds.at[row] : 0.0, c, b));
        score[row] = expit(centre);
        low[row] = expit(centre - margin);
        high[row] = expit(centre + margin);
    }
    return 0;
}

/* Write the probability of each listing, which follows from its log-odds by a line. */
EXPORT outcome judge_by_line(doubles log_odds, double slope, double intercept, doubles_out probability) {
    REQUIRE(probability.n == log_odds.n);
    for (int64_t row = 0; row < log_odds.n; row++) probability.at[row] = expit(slope * log_odds.at[row] + intercept);
    return 0;
}
