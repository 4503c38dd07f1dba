/* The solver of the linear learner: logistic regression by ascent on the dual, one row at a time. */
#ifndef IPML_SOLVER_H
#define IPML_SOLVER_H

#include "base/engine.h"

/* The rows that the solver reads, as `ipml.model.regression.StoredRows` describes them. */
typedef struct {
    int64s pointers;
    int32s indices;
    doubles values;
    uint16s codes;
    int64s starts;
    int32s lengths;
    int64s firsts;
    doubles scales;
    doubles rarity;
} stored_rows;

/* What is known of each row beside its values, and the least value of each coefficient. */
typedef struct {
    int64s rows;
    doubles sign, cost, least, squares;
} fitted_rows;

/* Write the product of each row with the coefficients. */
EXPORT outcome multiply_rows(const stored_rows *stored, int64s rows, doubles coefficients, doubles_out products);

/* Write the square of each row's length, and the sum of the rows, each times its part. */
EXPORT outcome measure_rows(const stored_rows *stored, int64s rows, doubles parts, doubles_out squares,
                            doubles_out sums);

/* Visit rows until the gap is no larger than the tolerance; change shares, sums and the intercept, and write the gap.
   Return the number of passes. */
EXPORT outcome ascend(const stored_rows *stored, const fitted_rows *fitted, doubles_out shares, doubles_out sums,
                      double tolerance, int64_t most_passes, uint64_t seed, doubles_out intercept, doubles_out gap);

#endif
