/* Count the words that hide what they say. */
#ifndef IPML_DISGUISES_H
#define IPML_DISGUISES_H

#include "base/engine.h"

/* What the count of a text is if it is left to the plain function, or holds a letter of a page not met yet. */
enum { COUNT_IS_LEFT = -1, COUNT_IS_MISSING = -2 };

/* What kind of letter each character is, as `ipml.features.compiled.disguises` has it. */
typedef struct {
    int32s pages; /* the number of each page of 256 characters, -1 for those not met yet */
    int8s kinds;  /* shape (256 pages,) */
} disguise_tables;

void count_disguised(texts raw, int64_t most, const disguise_tables *tables, int64s_out counts);

#endif
