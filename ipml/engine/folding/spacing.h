/* Undo odd spacing in an array of characters, in place. */
#ifndef IPML_SPACING_H
#define IPML_SPACING_H

#include "base/engine.h"

typedef struct {
    uint8s gaps; /* 1 for each ASCII character that may stand between letters written apart, shape (128,) */
} spacing_tables;

/* Join letters that stand apart; return how many characters are left. */
int64_t close_up(const spacing_tables *tables, int64_t *text, int64_t n);

/* Put spaces for the signs that part words. */
void open_separators(int64_t *text, int64_t n);

/* Shorten a letter that is held down to two, where it is not a word by itself; return how many characters are left. */
int64_t shorten(int64_t *text, int64_t n);

#endif
