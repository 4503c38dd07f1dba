/* Hashes that came before, in a table, each with the row it came in, at its own place or soon after. The first bits of
   a hash are its place, and a place without a row is free. `ipml.listings.repeats` keeps the table sparse enough. */
#include "base/engine.h"

/* Where a hash stands, or the free place where it would. */
static int64_t find_place(const uint64_t *known, const int64_t *known_rows, int64_t n_bits, uint64_t hash) {
    int64_t place = (int64_t)(hash >> (64 - n_bits));
    while (known_rows[place] && known[place] != hash) place = (place + 1) & ((INT64_C(1) << n_bits) - 1);
    return place;
}

/* Write the row of each hash, or 0 where it did not come before. */
EXPORT void find_keys(uint64s known, int64s known_rows, int64_t n_bits, uint64s hashes, int64s_out found) {
    for (int64_t i = 0; i < hashes.n; i++)
        found.at[i] = known_rows.at[find_place(known.at, known_rows.at, n_bits, hashes.at[i])];
}

/* Add those hashes that have a row and are not there; return how many these were. */
EXPORT int64_t remember_keys(uint64s_out known, int64s_out known_rows, int64_t n_bits, uint64s hashes, int64s rows) {
    int64_t n_new = 0;
    for (int64_t i = 0; i < hashes.n; i++) {
        if (rows.at[i] == 0) continue;
        int64_t place = find_place(known.at, known_rows.at, n_bits, hashes.at[i]);
        if (known_rows.at[place]) continue;
        known.at[place] = hashes.at[i];
        known_rows.at[place] = rows.at[i];
        n_new++;
    }
    return n_new;
}
