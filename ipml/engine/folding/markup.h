/* Take markup and entities of HTML out of texts: the first step of `ipml.features.normalisation`. */
#ifndef IPML_MARKUP_H
#define IPML_MARKUP_H

#include "base/engine.h"

/* Names of up to eight letters are numbers, the first letter in the lowest bits. */
typedef struct {
    uint64s breaking;   /* tags that part words */
    uint64s hiding;     /* tags that may hide what they hold */
    texts names;        /* of entities with a semicolon, in order */
    int64s codes;       /* their characters, two of each; NOTHING for none */
    uint64s open_names; /* of entities that need no semicolon, in order */
    int64s open_codes;  /* their characters */
    int64s numbers;     /* the characters that the first numbers stand for, NOTHING for none */
} markup_tables;

bool may_hold_markup(const uint8_t *data, int64_t start, int64_t end);
int64_t unwrap(const uint8_t *data, int64_t start, int64_t end, const markup_tables *tables, uint8_t *text,
               uint8_t *other);

#endif
