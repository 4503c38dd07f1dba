/* Count the words that hide what they say. */
#ifndef IPML_DISGUISES_H
#define IPML_DISGUISES_H

#include "base/engine.h"

/* What the count of a text is that holds a letter of a page not met yet. */
enum { COUNT_IS_MISSING = -1 };

/* What kind of letter each character is, and the units of sizes, as `ipml.features.compiled.disguises` has them. */
typedef struct {
    int32s pages; /* the number of each page of 256 characters, -1 for those not met yet */
    int8s kinds;  /* shape (256 pages,) */
    texts units;  /* in lower case; the last one may go on */
} disguise_tables;

/* Count them in the first letters of each text; return -1 if memory ran out. */
EXPORT int64_t count_disguised(texts raw, int64_t most, const disguise_tables *tables, int64s_out counts);

#endif
