/* Fold ASCII texts at once, and see on the way whether any disguise may have to be undone. */
#ifndef IPML_SCREENING_H
#define IPML_SCREENING_H

#include "base/engine.h"

/* Why a text may not be plain: letters apart or held down, signs for letters, markup, control characters. */
enum { IS_APART = 1, IS_HELD_DOWN = 2, HAS_SIGN = 4, HAS_MARKUP = 8, HAS_CONTROL = 16 };

typedef struct {
    uint16s next;  /* the place of the next state for each state and kind of a character */
    uint8s kinds;  /* of each byte */
    uint16s pairs; /* what each byte is after each other one, shape (65536,), the first of them the higher one */
} screening_tables;

/* Whether all bytes of a text are ASCII. */
static inline bool is_ascii(const uint8_t *data, int64_t start, int64_t end) {
    uint8_t every = 0;
    for (int64_t at = start; at < end; at++) every |= data[at];
    return every < 0x80;
}

/* Write a text in lower case with single spaces, from a place on; return where it ends, and in `why` flags why it may
   not be plain. There must be room for as many bytes as the text has. */
int64_t fold_ascii(const screening_tables *tables, const uint8_t *data, int64_t start, int64_t end, uint8_t *folded,
                   int64_t first, int64_t *why);

/* Whether letters may be apart in an array of characters. */
bool may_be_apart(const screening_tables *tables, const int64_t *text, int64_t n);

#endif
