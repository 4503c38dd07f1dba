/* What some n-grams weigh together. */
#ifndef IPML_NGRAM_SUMS_H
#define IPML_NGRAM_SUMS_H

#include "base/engine.h"

/* A sum of weights; how many n-grams it is of, and how many of them are known. */
typedef struct {
    double sum;
    int64_t n_all, n_known;
} weighed;

/* Whether a weight is that of a known n-gram: 1 or 0. */
static inline int64_t is_marked(double weight) {
    uint64_t bits;
    memcpy(&bits, &weight, sizeof bits);
    return (int64_t)(bits & 1);
}

/* What the first columns weigh; four sums are taken at a time, none of which waits for another. */
static inline weighed weigh_columns(const double *marked, const uint32_t *columns, int64_t n) {
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    int64_t n_known = 0, at = 0;
    for (; at + 4 <= n; at += 4) {
        for (int i = 0; i < 4; i++) {
            double weight = marked[columns[at + i]];
            sums[i] += weight;
            n_known += is_marked(weight);
        }
    }
    for (; at < n; at++) {
        sums[0] += marked[columns[at]];
        n_known += is_marked(marked[columns[at]]);
    }
    return (weighed){(sums[0] + sums[1]) + (sums[2] + sums[3]), n, n_known};
}

/* Do as sum_ngrams, of no more than single words: text by text, chunk by chunk. */
outcome sum_chunks(texts of, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words, doubles_out sums,
                   int64s_out n_all, int64s_out n_known);

#endif
