/* Read ASCII signs that stand for letters. */
#ifndef IPML_SIGNS_H
#define IPML_SIGNS_H

#include "base/engine.h"

typedef struct {
    uint8s kinds;        /* of each byte, as `ipml.features.compiled.signs` has them */
    int64s letters_read; /* as what character each ASCII sign is read, shape (128,) */
} signs_tables;

/* Whether signs may be read in an ASCII text in lower case: where in doubt, they may. */
bool may_stand_for_letters(const signs_tables *tables, const uint8_t *data, int64_t start, int64_t end);

/* Read signs as letters in or at a word, in place; everywhere, if the text is written in them throughout. `written` has
   room for as many characters as the text, and may be filled with the text as it was. */
void read_signs(const signs_tables *tables, int64_t *text, int64_t n, int64_t *written);

#endif
