/* Walks of texts through the trie of phrases: what `phrases.c` compares with the letters of the texts. */
#ifndef IPML_WALKS_H
#define IPML_WALKS_H

#include "base/engine.h"
#include "base/letters.h"
#include "phrases/phrases.h"
#include "phrases/tries.h"

enum { GAP = 0x20 };
enum { LEAST_JOINED = 14 };  /* letters; a longer word is several, written without spaces */
enum { FIRST_CJK = 0x2E80 }; /* from here on, scripts write words without spaces between them */

/* A word of the trie on a walk. */
typedef struct {
    int64_t walk; /* the byte of the skeletons that it starts from, times two, and 1 if a word may begin there */
    int64_t last; /* its last byte in the skeletons */
    int64_t word;
} meeting;

/* The texts that are read at once, from a first to a last, excluded. Text `row` has its skeleton from the byte on where
   it would stand if there were a break after each text, and its walks from the same number on. */
typedef struct {
    int64_t first, last;
    uint8_t *squashed; /* skeletons without gaps, a break after each */
    int32_t *origins;  /* where in the text each byte of its skeleton stands */
    int64_t *walks;    /* as in a meeting */
    int64_t *walk_ends;
    meeting *met; /* text by text */
    int64_t *met_starts;
} chunk;

static inline int64_t place_of_skeleton(const chunk *some, texts folded, int64_t row) {
    return folded.offsets.at[row] - folded.offsets.at[some->first] + row - some->first;
}

/* Whether a byte stands between words, however they are written together. */
static inline bool is_between(uint8_t byte) { return byte == GAP || byte == BREAK; }

static inline bool begins_letter(uint8_t byte) { return (byte & 0xC0) != 0x80; }

/* Whether a word may begin or end beside a letter, whatever stands there. */
static inline bool is_apart(uint8s kinds, int64_t letter) {
    return letter >= FIRST_CJK || !is_kind(kinds, letter, ALNUM);
}

/* Whether a word may begin or end before a byte of a text. */
static inline bool is_boundary(const uint8_t *data, uint8s kinds, int64_t start, int64_t at, int64_t end) {
    return is_apart(kinds, letter_before(data, at, start)) || is_apart(kinds, letter_after(data, at, end));
}

/* Meet the words of the trie in the texts of a chunk. */
void walk_texts(texts folded, const phrase_tables *tables, chunk *some);

#endif
