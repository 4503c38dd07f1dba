/* BLAKE2b (RFC 7693) with a digest of eight bytes and no key: what ids are stored under in files. */
#include "base/engine.h"

enum { BLOCK = 128, N_WORDS = 16, N_ROUNDS = 12, DIGEST_BYTES = 8 };

static const uint64_t START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const uint8_t ORDER[10][N_WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turn(uint64_t word, int by) { return word >> by | word << (64 - by); }

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
    v[a] += v[b] + x, v[d] = turn(v[d] ^ v[a], 32);
    v[c] += v[d], v[b] = turn(v[b] ^ v[c], 24);
    v[a] += v[b] + y, v[d] = turn(v[d] ^ v[a], 16);
    v[c] += v[d], v[b] = turn(v[b] ^ v[c], 63);
}

/* Words stand with their lowest byte first, on every machine. */
static uint64_t read_word(const uint8_t *at) {
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) word = word << 8 | at[i];
    return word;
}

static void take_in(uint64_t *state, const uint8_t *block, uint64_t n_bytes, bool is_last) {
    uint64_t words[N_WORDS], v[N_WORDS];
    for (int i = 0; i < N_WORDS; i++) words[i] = read_word(block + 8 * i);
    for (int i = 0; i < 8; i++) v[i] = state[i], v[i + 8] = START[i];
    v[12] ^= n_bytes;
    if (is_last) v[14] = ~v[14];
    for (int round = 0; round < N_ROUNDS; round++) {
        const uint8_t *of = ORDER[round % 10];
        for (int i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, words[of[2 * i]], words[of[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, words[of[8 + 2 * i]], words[of[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

static uint64_t hash_bytes(const uint8_t *at, int64_t n) {
    uint64_t state[8];
    uint8_t last[BLOCK] = {0};
    int64_t done = 0;
    memcpy(state, START, sizeof state);
    state[0] ^= 0x01010000 ^ DIGEST_BYTES;
    for (; n - done > BLOCK; done += BLOCK) take_in(state, at + done, (uint64_t)(done + BLOCK), false);
    if (n > done) memcpy(last, at + done, (size_t)(n - done));
    take_in(state, last, (uint64_t)n, true);
    return state[0];
}

EXPORT outcome hash_texts(texts of, uint64s_out hashes) {
    REQUIRE(are_texts(of) && hashes.n == n_rows(of));
    for (int64_t i = 0; i < hashes.n; i++)
        hashes.at[i] = hash_bytes(of.data.at + of.offsets.at[i], of.offsets.at[i + 1] - of.offsets.at[i]);
    return 0;
}
