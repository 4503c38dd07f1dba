/* Undo disguise in texts: write what a reader sees, in plain lower-case letters. */
#ifndef IPML_FOLDING_H
#define IPML_FOLDING_H

#include "folding/steps.h"

typedef struct {
    ascii_characters ascii;
    script_readings scripts;
    markup_tables markup;
    screening_tables screening;
    signs_tables signs;
    spacing_tables spacing;
    texts units; /* of sizes, in lower case; the last one may go on */
} folding_tables;

static inline bool are_folding_tables(const folding_tables *of) {
    const markup_tables *markup = &of->markup;
    return of->ascii.itself.n == 128 && of->ascii.readings.n == 128 && of->scripts.letters.n == of->scripts.keys.n &&
           are_table_texts(markup->names) && markup->codes.n == 2 * n_rows(markup->names) &&
           markup->open_codes.n == markup->open_names.n && of->screening.next.n % 4 == 0 &&
           of->screening.kinds.n == 256 && of->screening.pairs.n == 1 << 16 && of->signs.kinds.n == 256 &&
           of->signs.letters_read.n == 128 && of->spacing.gaps.n == 128 && are_table_texts(of->units);
}

/* Fold the first letters of each text. The folded texts are put behind what the buffer holds; in it they end at the
   places `ends`, of which the first is where the first one begins. They are of no use where pages are missing. */
EXPORT outcome fold_texts(texts raw, int64_t most, const characters *known, const folding_tables *tables,
                          int64s_out ends, buffer *folded);

#endif
