/* How the bytes of an n-gram become a column: FNV-1a with a final mix, which is the 64-bit finaliser of MurmurHash3.
   Both are in the public domain. */
#ifndef IPML_NGRAM_HASHES_H
#define IPML_NGRAM_HASHES_H

#include "base/engine.h"

static const uint64_t FNV_OFFSET = 0xCBF29CE484222325;
static const uint64_t FNV_PRIME = 0x100000001B3;
static const uint64_t WORD_OFFSET = 0xCBF29CE484222325 ^ 0x9E3779B97F4A7C15;
static const uint64_t MIX_1 = 0xFF51AFD7ED558CCD;
static const uint64_t MIX_2 = 0xC4CEB9FE1A85EC53;

static inline uint64_t hash_byte(uint64_t value, uint8_t byte) { return (value ^ byte) * FNV_PRIME; }

static inline uint64_t column_of(uint64_t value, uint64_t mask) {
    value ^= value >> 33;
    value *= MIX_1;
    value ^= value >> 33;
    value *= MIX_2;
    value ^= value >> 33;
    return value & mask;
}

/* Whether there are as many weights as columns of n-grams, which are a power of two, and one more after them. */
static inline bool are_marked(doubles marked) { return marked.n > 1 && ((marked.n - 1) & (marked.n - 2)) == 0; }

static inline uint64_t mask_of(doubles marked) {
    assert(are_marked(marked));
    return (uint64_t)(marked.n - 2);
}

/* A byte of a letter or digit; after folding, everything beyond ASCII is one. */
static inline bool is_word_byte(uint8_t byte) {
    return byte >= 0x80 || (uint8_t)(byte - 'a') < 26 || (uint8_t)(byte - '0') < 10;
}

/* A byte of a letter in UTF-8 other than the first. */
static inline bool is_inner_byte(uint8_t byte) { return (byte & 0xC0) == 0x80; }

#endif
