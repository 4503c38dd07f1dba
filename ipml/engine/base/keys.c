/* Keys of listings, an id and a moment each, as hashes; and the hashes that came before, in a table.

   In the table each hash has the row it came in, at its own place or soon after. The first bits of a hash are its place,
   and a place without a row is free. `ipml.listings.repeats` keeps the table sparse enough. */
#include "base/engine.h"

/* SipHash-2-4 (Aumasson and Bernstein, 2012): without the secret nobody can choose keys that collide. */
typedef struct {
    uint64_t a, b, c, d;
} sip;

static inline uint64_t turn_left(uint64_t word, int by) { return word << by | word >> (64 - by); }

static inline void mix(sip *of) {
    of->a += of->b, of->c += of->d;
    of->b = turn_left(of->b, 13) ^ of->a, of->d = turn_left(of->d, 16) ^ of->c;
    of->a = turn_left(of->a, 32);
    of->c += of->b, of->a += of->d;
    of->b = turn_left(of->b, 17) ^ of->c, of->d = turn_left(of->d, 21) ^ of->a;
    of->c = turn_left(of->c, 32);
}

static inline void take_in(sip *of, uint64_t word) {
    of->d ^= word;
    mix(of), mix(of);
    of->a ^= word;
}

/* Up to eight bytes as a number, the lowest first, on every machine. */
static inline uint64_t read_word(const uint8_t *at, int64_t n) {
    uint64_t word = 0;
    for (int64_t i = n - 1; i >= 0; i--) word = word << 8 | at[i];
    return word;
}

/* The hash of a moment in eight bytes and of the id behind it. */
static uint64_t hash_key(uint64_t first, uint64_t second, int64_t moment, const uint8_t *at, int64_t n) {
    sip of = {first ^ 0x736f6d6570736575, second ^ 0x646f72616e646f6d, first ^ 0x6c7967656e657261,
              second ^ 0x7465646279746573};
    int64_t whole = n - n % 8;
    take_in(&of, (uint64_t)moment);
    for (int64_t i = 0; i < whole; i += 8) take_in(&of, read_word(at + i, 8));
    take_in(&of, (uint64_t)(n + 8) << 56 | read_word(at + whole, n - whole));
    of.c ^= 0xff;
    for (int i = 0; i < 4; i++) mix(&of);
    return of.a ^ of.b ^ of.c ^ of.d;
}

/* Write the hash of each id with its moment, under a secret of two words. */
EXPORT outcome hash_keys(texts ids, int64s moments, uint64s secret, uint64s_out hashes) {
    REQUIRE(are_texts(ids) && moments.n == n_rows(ids) && secret.n == 2 && hashes.n == n_rows(ids));
    for (int64_t i = 0; i < hashes.n; i++) {
        int64_t start = ids.offsets.at[i], n = ids.offsets.at[i + 1] - start;
        hashes.at[i] = hash_key(secret.at[0], secret.at[1], moments.at[i], ids.data.at + start, n);
    }
    return 0;
}

static bool is_key_table(int64_t n, int64_t n_of_rows, int64_t n_bits) {
    return n_bits > 0 && n_bits < 63 && n == INT64_C(1) << n_bits && n_of_rows == n;
}

/* Where a hash stands, or the free place where it would; both arrays have 1 << n_bits places, not all of them taken. */
static int64_t find_place(uint64s known, int64s known_rows, int64_t n_bits, uint64_t hash) {
    int64_t place = (int64_t)(hash >> (64 - n_bits));
    while (AT(known_rows, place) && AT(known, place) != hash) place = (place + 1) & (known.n - 1);
    return place;
}

/* Write the row of each hash, or 0 where it did not come before. */
EXPORT outcome find_keys(uint64s known, int64s known_rows, int64_t n_bits, uint64s hashes, int64s_out found) {
    REQUIRE(is_key_table(known.n, known_rows.n, n_bits) && found.n == hashes.n);
    for (int64_t i = 0; i < hashes.n; i++)
        found.at[i] = known_rows.at[find_place(known, known_rows, n_bits, hashes.at[i])];
    return 0;
}

/* Add those hashes that have a row and are not there; return how many these were. */
EXPORT outcome remember_keys(uint64s_out known, int64s_out known_rows, int64_t n_bits, uint64s hashes, int64s rows) {
    REQUIRE(is_key_table(known.n, known_rows.n, n_bits) && rows.n == hashes.n);
    int64_t n_new = 0;
    for (int64_t i = 0; i < hashes.n; i++) {
        if (rows.at[i] == 0) continue;
        int64_t place = find_place((uint64s){known.at, known.n}, (int64s){known_rows.at, known_rows.n}, n_bits,
                                   hashes.at[i]);
        if (known_rows.at[place]) continue;
        known.at[place] = hashes.at[i];
        known_rows.at[place] = rows.at[i];
        n_new++;
    }
    return n_new;
}
