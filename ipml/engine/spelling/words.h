/* Sets of words: one array of 64-bit numbers that holds hash tables of keys, filters, and the powers of two bases.

   A word is of the letters a to z and the signs * and #, which hide letters; others cannot be in the set. It is named
   by the place in `lines` at which it starts.

   Each letter of a word is a digit of five bits, and a word the number with these digits: up to SHORT_WORD of them fit
   into 64 bits, where words of one number are one word. The number of a longer word has another base and wraps around,
   so that such words are compared. Since it is a sum over letters, the number of a word with a letter changed, added or
   left out follows in a few steps. */
#ifndef IPML_WORDS_H
#define IPML_WORDS_H

#include "spelling/spelling.h"

/* Write the hash (uint64) of each word of a text, one a line. Lines that are empty or hold anything else are left out. */
EXPORT outcome hash_words(uint8s lines, uint8s codes, buffer *hashes);

enum { SHORT_WORD = 12 }; /* longer words are compared letter by letter */
enum { CODE_BITS = 5, CODE_OF_LETTER = 31, CODE_OF_SIGN = 32, CODE_OF_STAR = 27, END_OF_WORD = '\n' };

/* The places of a table that say where each part of it begins; next to them is the number of its slots or bits less
   one. The powers are of the base of shorter words, then of longer ones. */
enum { WORDS = 0, KEYS = 2, MAY_BE_KEY = 4, MAY_BE_JOINED = 6, POWERS = 8, FIRST_TARGET = 10, LONGEST = 11 };
enum { SIZE_OF_HEADER = 12 };

static const uint64_t LONG_KEY = (uint64_t)1 << 63; /* keys from here on are of longer words: several may have one */
static const uint64_t LETTERS_OF_SHORT = ((uint64_t)1 << 60) - 1;
static const uint64_t FREE_SLOT = 0; /* the key of no word */

/* Ordinary words are kept as the first BITS_OF_HASH bits of their hashes, without their letters: of 2^BITS_OF_HASH words
   that are none, as many as there are ordinary ones pass for one. The first BITS_OF_BUCKET bits say in which bucket a
   word is; the others, and whether it is an everyday word, are its mark. */
enum { BITS_OF_HASH = 39, BITS_OF_BUCKET = 16, BITS_OF_MARK = BITS_OF_HASH - BITS_OF_BUCKET };
enum { N_BUCKETS = 1 << BITS_OF_BUCKET };
enum { NOT_ORDINARY = -1, ORDINARY = 0, EVERYDAY = 1 };

/* Append an empty table with room for so many words, keys, joined words and powers; NULL if memory ran out. */
uint64_t *make_word_table(buffer *into, int64_t n_words, int64_t n_keys, int64_t n_joined, int64_t n_powers);

/* Return where the words of a text, one a line, start, then where they end, and how many there are; to be freed. NULL
   if memory ran out. */
int64_t *list_words(uint8s lines, uint8s codes, int64_t *n);

/* Put words into a table that has room for them. */
void put_words(uint64_t *table, uint8s lines, const uint8_t *codes, const int64_t *starts, const int64_t *ends,
               int64_t n);

static inline bool are_lines(uint8s lines) { return lines.n == 0 || lines.at[lines.n - 1] == END_OF_WORD; }

/* The powers, which end a table, have two numbers each. */
static inline bool is_word_set(const word_set *of) {
    const uint64_t *table = of->table.at;
    return of->table.n >= SIZE_OF_HEADER && (uint64_t)of->table.n == 2 * table[POWERS + 1] - table[POWERS] &&
           are_lines(of->lines);
}

static inline bool are_word_letters(const word_letters *of) {
    return of->codes.n == 256 && of->sounds.n == 512 && of->may_double.n == 256 && of->beside.n == 512 &&
           of->is_gap.n == 256 && of->is_sign.n == 256 && of->classes.n == 256 && of->letters_of_signs.n == 128;
}

static inline bool are_ordinary_words(const ordinary_words *of) {
    return of->starts.n == N_BUCKETS + 1 && (int64_t)of->starts.at[N_BUCKETS] <= of->marks.n;
}

static inline bool are_spelling_tables(const spelling_tables *of) {
    return is_word_set(&of->known) && are_ordinary_words(&of->ordinary) && are_word_letters(&of->letters);
}

/* Return the word that two pieces are together, however long; -1 if it is not there. */
int64_t find_pair(const word_set *words, const uint8_t *codes, const uint8_t *piece, int64_t n, const uint8_t *other,
                  int64_t n_other);

/* Return the first power of two, from 64 on, that is not less than a number. */
int64_t power_of_two(int64_t least);

/* Keys in tables and filters */

/* The bits of a key, mixed; the higher ones best. */
static inline uint64_t spread_key(uint64_t key) { return (key ^ key >> 32) * 0xD6E8FEB86659FD93u; }

/* The slot at which a key is looked for first. */
static inline int64_t first_slot(const uint64_t *table, int part, uint64_t key) {
    return (int64_t)(spread_key(key) >> 32 & table[part + 1]);
}

/* Whether a key is in the slot at which it is looked for first, as most are. */
static inline bool is_first(const uint64_t *table, int part, uint64_t key) {
    return table[table[part] + 2 * (spread_key(key) >> 32 & table[part + 1])] == key;
}

/* The next slot that holds a key, from this one on; -1 if there is none. */
static inline int64_t find_slot(const uint64_t *table, int part, int64_t slot, uint64_t key) {
    const uint64_t *slots = table + table[part];
    int64_t mask = (int64_t)table[part + 1];
    for (;; slot = (slot + 1) & mask) {
        if (slots[2 * slot] == key) return slot;
        if (slots[2 * slot] == FREE_SLOT) return -1;
    }
}

/* The next slot that holds a key, after this one; -1 if there is none. */
static inline int64_t find_next_slot(const uint64_t *table, int part, int64_t slot, uint64_t key) {
    return find_slot(table, part, (slot + 1) & (int64_t)table[part + 1], key);
}

static inline int64_t word_in(const uint64_t *table, int part, int64_t slot) {
    return (int64_t)table[table[part] + 2 * (uint64_t)slot + 1];
}

/* Put a key and its word into a free slot; the key of a short word only if it is new. */
static inline void put_key(uint64_t *table, int part, uint64_t key, int64_t word) {
    uint64_t *slots = table + table[part];
    int64_t mask = (int64_t)table[part + 1], slot = first_slot(table, part, key);
    for (; slots[2 * slot] != FREE_SLOT; slot = (slot + 1) & mask) {
        if (slots[2 * slot] == key && key < LONG_KEY) return;
    }
    slots[2 * slot] = key;
    slots[2 * slot + 1] = (uint64_t)word;
}

/* The bits of a number in a filter that say that there is a key. */
static inline uint64_t filter_bits(uint64_t mixed) {
    return (uint64_t)1 << (mixed >> 40 & 63) | (uint64_t)1 << (mixed >> 34 & 63) | (uint64_t)1 << (mixed >> 28 & 63);
}

/* Note in a filter that there is a key. */
static inline void put_bits(uint64_t *table, int part, uint64_t key) {
    uint64_t mixed = spread_key(key);
    table[table[part] + ((mixed >> 40 & table[part + 1]) >> 6)] |= filter_bits(mixed);
}

/* Whether a key may be there; nearly all of those that are not are known to be none. */
static inline bool may_have(const uint64_t *table, int part, uint64_t key) {
    uint64_t mixed = spread_key(key);
    return (~table[table[part] + ((mixed >> 40 & table[part + 1]) >> 6)] & filter_bits(mixed)) == 0;
}

/* Words as numbers */

/* The base of the number of a word of so many letters. */
static inline uint64_t base_for(int64_t n) { return n <= SHORT_WORD ? 32 : 0x9E3779B97F4A7C15u; }

/* The key of a word of so many letters by its number. */
static inline uint64_t key_of(uint64_t number, int64_t n) {
    return n <= SHORT_WORD ? number : (number & LETTERS_OF_SHORT) | LONG_KEY;
}

static inline uint64_t digit_of(const uint8_t *codes, uint8_t letter) { return codes[letter] & CODE_OF_LETTER; }

/* The number of a word that goes on with these letters. */
static inline uint64_t add_letters(uint64_t number, const uint8_t *codes, const uint8_t *word, int64_t n,
                                   uint64_t base) {
    for (int64_t at = 0; at < n; at++) number = number * base + digit_of(codes, word[at]);
    return number;
}

static inline uint64_t key_of_word(const uint8_t *codes, const uint8_t *word, int64_t n) {
    return key_of(add_letters(0, codes, word, n, base_for(n)), n);
}

/* The key by which two pieces together are looked for: of long words their last letters are enough. */
static inline uint64_t joined_key(uint64_t key, int64_t n) {
    return n <= SHORT_WORD ? key & LETTERS_OF_SHORT : (key & LETTERS_OF_SHORT) | LONG_KEY;
}

/* Whether so many letters are the same; none is read after one that is not. */
static inline bool is_same(const uint8_t *one, const uint8_t *other, int64_t n) {
    for (int64_t at = 0; at < n; at++) {
        if (one[at] != other[at]) return false;
    }
    return true;
}

static inline int64_t length_of(const uint8_t *lines, int64_t word) {
    int64_t end = word;
    while (lines[end] != END_OF_WORD) end++;
    return end - word;
}

/* Return a word by its key if it is short (else the key is not used); -1 if it is not there. */
static inline int64_t find_word(const word_set *words, const uint8_t *codes, uint64_t key, const uint8_t *word,
                                int64_t n) {
    if (n > SHORT_WORD) return find_pair(words, codes, word, n, word, 0);
    const uint64_t *table = words->table.at;
    int64_t slot = find_slot(table, WORDS, first_slot(table, WORDS, key), key);
    return slot >= 0 ? word_in(table, WORDS, slot) : -1;
}

/* Say what the word with a key is. */
static inline int64_t find_ordinary(const ordinary_words *words, uint64_t key) {
    uint64_t hash = spread_key(key) >> (64 - BITS_OF_HASH);
    uint64_t bucket = hash >> BITS_OF_MARK, rest = hash & (((uint64_t)1 << BITS_OF_MARK) - 1);
    for (uint32_t at = words->starts.at[bucket]; at < words->starts.at[bucket + 1]; at++) {
        if (words->marks.at[at] >> 1 == rest) return words->marks.at[at] & 1;
    }
    return NOT_ORDINARY;
}

#endif
