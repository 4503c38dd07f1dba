/* N-grams of folded texts: counting them, summing their weights, spreading the weights over letters.

   Each n-gram of letters between spaces, `letters_min` to `letters_max` long, a space on either side (0, 0 for none),
   and each of up to `words` words is hashed to one of 2^bits columns. What returns int64_t returns -1 where memory ran
   out, else what its comment says, or 0. */
#ifndef IPML_NGRAMS_H
#define IPML_NGRAMS_H

#include "base/engine.h"

/* Write for each text the sum of the weights of its n-grams, how many it has, and how many of them are known.
   There are 2^bits + 1 marked weights, as mark_known writes them. */
EXPORT outcome sum_ngrams(texts of, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words,
                          doubles_out sums, int64s_out n_all, int64s_out n_known);

#endif
