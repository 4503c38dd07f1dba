/* Texts, each different one once. A table knows the latest text of each hash. One that another has pushed out is new
   when it comes again, which costs time and changes nothing else. */
#include "features/chunks.h"

enum { MOST_BITS = 16 }; /* of a place in the table, which the caches of a processor hold */

typedef struct {
    uint64_t first; /* its first eight bytes */
    int64_t size, number;
} kept_text;

/* Whether a text is the one that is kept: its first eight bytes, its size and then all others are the same. */
static bool is_kept(const kept_text *kept, texts of, int64s_out rows, int64_t start, int64_t size, uint64_t first) {
    if (kept->first != first || kept->size != size) return false;
    int64_t other = of.offsets.at[rows.at[kept->number]];
    return size <= 8 || memcmp(of.data.at + start + 8, of.data.at + other + 8, (size_t)(size - 8)) == 0;
}

EXPORT int64_t find_distinct(texts of, int64s_out numbers, int64s_out rows) {
    int64_t n_found = 0, of_empty = -1;
    int64_t bits = bits_of_places(of.data.n, MOST_BITS);
    kept_text *table = calloc((size_t)1 << bits, sizeof *table);
    if (table == NULL) return -1;
    for (int64_t row = 0; row + 1 < of.offsets.n; row++) {
        int64_t start = of.offsets.at[row], size = of.offsets.at[row + 1] - start;
        int64_t number = of_empty < 0 ? n_found : of_empty;
        if (size == 0) of_empty = number;
        if (size > 0) {
            uint64_t first = first_eight(of.data.at + start, size, of.data.n - start);
            kept_text *kept = &table[place_of(first, last_eight(of.data.at + start, size, first), bits)];
            bool is_known = is_kept(kept, of, rows, start, size, first);
            number = is_known ? kept->number : n_found;
            if (!is_known) *kept = (kept_text){first, size, number};
        }
        if (number == n_found) rows.at[n_found++] = row;
        numbers.at[row] = number;
    }
    free(table);
    return n_found;
}
