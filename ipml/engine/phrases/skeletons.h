/* The skeletons of texts: `ipml.features.compiled.phrases`. */
#ifndef IPML_SKELETONS_H
#define IPML_SKELETONS_H

#include "base/engine.h"
#include "base/letters.h"

/* What the second byte of a pair is, beside its skeleton letter: a letter again, after no letter, no letter, beyond ASCII. */
enum { AGAIN = 1 << 9, AFTER_APART = 1 << 10, APART = 1 << 11, BEYOND = 1 << 12 };

/* By how many bits to shift from one of them to another, and to the first, which says whether a byte is written. */
enum { AFTER_APART_TO_AGAIN = 1, APART_TO_AGAIN = 2, TO_WRITTEN = 15 };

typedef struct {
    uint8s skeletons; /* what each letter of ASCII is in a skeleton, shape (128,) */
    uint16s pairs; /* what each byte is after each other one, shape (65536,), the first of them the higher one */
    uint8s kinds;  /* of each code point, as in letters.h */
} skeleton_tables;

static inline bool are_skeleton_tables(const skeleton_tables *of) {
    return of->skeletons.n == 128 && of->pairs.n == 1 << 16;
}

/* What the letter at a byte is in a skeleton. */
static inline int64_t skeleton_at(const uint8_t *data, int64_t at, uint8s skeletons) {
    return data[at] < 0x80 ? skeletons.at[data[at]] : letter_at(data, at);
}

/* Whether repeats are dropped: those of a word of one letter only, of which this is after and before, stay. */
static inline bool are_dropped(const uint8_t *data, int64_t after, int64_t end, int64_t before, uint8s kinds) {
    return is_kind(kinds, before, ALNUM) || is_kind(kinds, letter_after(data, after, end), ALNUM);
}

/* Write the skeletons of folded texts, which are never longer than the texts, and the offsets of all. */
EXPORT outcome reduce_texts(texts folded, const skeleton_tables *tables, int64s_out offsets, uint8s_out reduced);

#endif
