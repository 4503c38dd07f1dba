/* Where phrases stand in many texts: the places of some of the texts, in any order. */
#include "phrases/places.h"

int64_t take_lists(int64s starts, int64s rows, int64s_out taken, buffer *items) {
    int64_t n = taken.at[0] = 0;
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = rows.at[i];
        if (row < 0 || row >= starts.n - 1) return -1;
        n += starts.at[row + 1] - starts.at[row];
        taken.at[i + 1] = n;
    }
    if (!buffer_reserve(items, n * (int64_t)sizeof(int64_t))) return 0;
    int64_t *to = (int64_t *)(void *)(items->at + items->n);
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = rows.at[i];
        for (int64_t item = starts.at[row]; item < starts.at[row + 1]; item++) *to++ = item;
    }
    items->n += n * (int64_t)sizeof(int64_t);
    return 0;
}
