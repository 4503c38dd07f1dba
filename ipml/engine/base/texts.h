/* Texts as a whole: counted, taken by their rows, replaced, and cut into passages. */
#ifndef IPML_TEXTS_H
#define IPML_TEXTS_H

#include "base/engine.h"

/* Count the letters (code points) of each text. */
EXPORT outcome count_letters(texts of, int64s_out counts);

/* Say which texts have a letter from a to z or a digit. */
void have_plain_letters(texts of, uint8s_out found);

/* Return how many bytes texts have after `put_rows`. */
EXPORT outcome count_bytes_with_rows(int64s offsets, int64s rows, int64s ends);

/* Write texts of which some rows, in their order, are replaced: each by the bytes written up to its end. */
EXPORT outcome put_rows(texts of, int64s rows, int64s ends, uint8s written, int64s_out offsets, uint8s_out data);

static inline int64_t longest_text(texts of) {
    int64_t longest = 0;
    for (int64_t row = 0; row + 1 < of.offsets.n; row++)
        longest = max_of(longest, of.offsets.at[row + 1] - of.offsets.at[row]);
    return longest;
}

/* Write the passages of all texts of more than `longest_whole` words, and which text each is from. A passage has
   `n_words` words, and begins `step` words after the one before; the last one ends where its text does. Words are what
   stands between single spaces. The offsets and rows are int64_t. */
EXPORT outcome cut_passages(texts of, int64_t longest_whole, int64_t n_words, int64_t step, buffer *offsets,
                            buffer *data, buffer *rows);

#endif
