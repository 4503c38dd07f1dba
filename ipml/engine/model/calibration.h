/* Log-odds turned into probabilities and the bounds of their intervals. */
#ifndef IPML_CALIBRATION_H
#define IPML_CALIBRATION_H

#include "base/engine.h"

/* The unknown category and brand are the last of each. */
typedef struct {
    double slope, intercept, quantile; /* of the line; standard errors from the estimate to a bound */
    doubles category_effects, brand_effects;
    doubles of_line;                      /* the covariance of slope and intercept, 4 */
    doubles with_categories, with_brands; /* those of the line with each, 2 for each */
    doubles category_variances, brand_variances;
    doubles of_pairs; /* of each brand with each category */
} calibration_table;

#endif
