/* Sets of words: how they are made, and how a word is found in one. */
#include "spelling/words.h"

int64_t power_of_two(int64_t least) {
    int64_t power = 64;
    while (power < least) power *= 2;
    return power;
}

uint64_t *make_word_table(buffer *into, int64_t n_words, int64_t n_keys, int64_t n_joined, int64_t n_powers) {
    const int64_t most_bits = 1 << 24;
    int64_t slots = power_of_two(2 * n_words), key_slots = power_of_two(2 * n_keys);
    int64_t bits = min_of(power_of_two(16 * n_keys), most_bits);
    int64_t joined_bits = min_of(power_of_two(16 * n_joined), most_bits);
    int64_t keys_from = SIZE_OF_HEADER + 2 * slots, bits_from = keys_from + 2 * key_slots;
    int64_t joined_from = bits_from + bits / 64, powers_from = joined_from + joined_bits / 64;
    int64_t size = (int64_t)sizeof(uint64_t) * (powers_from + 2 * n_powers);
    if (!buffer_reserve(into, size)) return NULL;
    uint64_t *table = (uint64_t *)(void *)(into->at + into->n);
    into->n += size;
    memset(table, 0, (size_t)size);
    table[WORDS] = SIZE_OF_HEADER, table[WORDS + 1] = (uint64_t)(slots - 1);
    table[KEYS] = (uint64_t)keys_from, table[KEYS + 1] = (uint64_t)(key_slots - 1);
    table[MAY_BE_KEY] = (uint64_t)bits_from, table[MAY_BE_KEY + 1] = (uint64_t)(bits - 1);
    table[MAY_BE_JOINED] = (uint64_t)joined_from, table[MAY_BE_JOINED + 1] = (uint64_t)(joined_bits - 1);
    table[POWERS] = (uint64_t)powers_from, table[POWERS + 1] = (uint64_t)(powers_from + n_powers);
    return table;
}

void put_words(uint64_t *table, uint8s lines, const uint8_t *codes, const int64_t *starts, const int64_t *ends,
               int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        put_key(table, WORDS, key_of_word(codes, lines.at + starts[i], ends[i] - starts[i]), starts[i]);
    }
}

int64_t *list_words(uint8s lines, uint8s codes, int64_t *n) {
    int64_t most = 0, start = 0;
    for (int64_t at = 0; at < lines.n; at++) most += lines.at[at] == END_OF_WORD;
    int64_t *starts = malloc(sizeof(int64_t) * (size_t)(2 * most + 1));
    if (starts == NULL) return NULL;
    int64_t *ends = starts + most;
    bool is_word = true;
    *n = 0;
    for (int64_t at = 0; at < lines.n; at++) {
        if (lines.at[at] != END_OF_WORD) {
            is_word &= codes.at[lines.at[at]] != 0;
            continue;
        }
        starts[*n] = start, ends[*n] = at;
        *n += is_word && at > start;
        start = at + 1;
        is_word = true;
    }
    memmove(starts + *n, ends, sizeof(int64_t) * (size_t)*n);
    return starts;
}

EXPORT outcome hash_words(uint8s lines, uint8s codes, buffer *hashes) {
    REQUIRE(codes.n == 256 && are_lines(lines));
    int64_t n = 0;
    int64_t *starts = list_words(lines, codes, &n);
    if (starts == NULL) hashes->failed = 1;
    for (int64_t i = 0; i < n; i++) {
        uint64_t hash = spread_key(key_of_word(codes.at, lines.at + starts[i], starts[n + i] - starts[i]));
        buffer_write(hashes, &hash, sizeof hash);
    }
    free(starts);
    return 0;
}

/* Return one more than NOT_ORDINARY, ORDINARY or EVERYDAY for a word, which is not empty. */
EXPORT outcome look_up_ordinary(const ordinary_words *words, uint8s codes, uint8s word) {
    REQUIRE(codes.n == 256 && are_ordinary_words(words) && word.n > 0);
    return 1 + find_ordinary(words, key_of_word(codes.at, word.at, word.n));
}

static bool is_pair(const uint8_t *word, const uint8_t *piece, int64_t n, const uint8_t *other, int64_t n_other) {
    return is_same(word, piece, n) && is_same(word + n, other, n_other) && word[n + n_other] == END_OF_WORD;
}

int64_t find_pair(const word_set *words, const uint8_t *codes, const uint8_t *piece, int64_t n, const uint8_t *other,
                  int64_t n_other) {
    const uint64_t *table = words->table.at;
    uint64_t base = base_for(n + n_other);
    uint64_t number = add_letters(add_letters(0, codes, piece, n, base), codes, other, n_other, base);
    uint64_t key = key_of(number, n + n_other);
    int64_t slot = find_slot(table, WORDS, first_slot(table, WORDS, key), key);
    while (slot >= 0) {
        int64_t word = word_in(table, WORDS, slot);
        if (n + n_other <= SHORT_WORD || is_pair(words->lines.at + word, piece, n, other, n_other)) return word;
        slot = find_next_slot(table, WORDS, slot, key);
    }
    return -1;
}
