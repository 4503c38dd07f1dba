/* N-grams of folded texts: counting them, summing their weights, spreading the weights over letters.

   Each n-gram of letters between spaces, `letters_min` to `letters_max` long, a space on either side (0, 0 for none),
   and each of up to `words` words is hashed to one of 2^bits columns. What returns int64_t returns -1 where memory ran
   out, else what its comment says, or 0. */
#ifndef IPML_NGRAMS_H
#define IPML_NGRAMS_H

#include "base/engine.h"

/* Count the n-grams of each text, as a CSR matrix: row pointers; columns (int32_t), in order in a row; and counts
   (double). */
EXPORT outcome count_ngrams(texts of, int64_t bits, int64_t letters_min, int64_t letters_max, int64_t words,
                            int64s_out pointers, buffer *columns, buffer *counts);

/* Count in how many texts the n-grams of each column occur; there are 2^bits. */
EXPORT outcome count_texts(texts of, int64_t bits, int64_t letters_min, int64_t letters_max, int64_t words,
                           int64s_out n_texts);

/* Write the n-grams that have a number, UINT32_MAX being none, as codes (uint16_t), where each text's begin, and how
   many it has. */
EXPORT outcome encode_ngrams(texts of, uint32s numbers, int64_t bits, int64_t letters_min, int64_t letters_max,
                             int64_t words, buffer *codes, int64s_out starts, int64s_out n_known);

/* Write the weights and a 0 after them; the last bit of each says whether its n-gram is known. */
EXPORT outcome mark_known(doubles weights, uint8s known, doubles_out marked);

/* Write for each text the sum of the weights of its n-grams, how many it has, and how many of them are known.
   There are 2^bits + 1 marked weights, as mark_known writes them. */
EXPORT outcome sum_ngrams(texts of, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words,
                          doubles_out sums, int64s_out n_all, int64s_out n_known);

/* Write the weight that each byte of one text carries; an n-gram shares its weight among its bytes. */
EXPORT outcome spread(uint8s data, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words,
                      doubles_out carried);

/* Write the number of each text among the different ones, and a row where each of those stands. Return how many there
   are; some may be found several times, if there are more than a table holds. */
EXPORT outcome find_distinct(texts of, int64s_out numbers, int64s_out rows);

#endif
