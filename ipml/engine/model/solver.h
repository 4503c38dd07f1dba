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

#endif
