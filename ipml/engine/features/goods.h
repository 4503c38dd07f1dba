/* Which kinds of goods titles name and what follows: `ipml.features.compiled.goods`. */
#ifndef IPML_GOODS_H
#define IPML_GOODS_H

#include "base/engine.h"
#include "phrases/places.h"

typedef struct {
    int64s phrase_kinds;  /* the number of each phrase's kind */
    doubles often_copied; /* how often each kind is copied, in 0-1 */
    uint8s of_brand;      /* whether each brand makes each kind, shape (n_brands, n_kinds) */
} goods_table;

/* Write 1 for each kind a title names, and what follows from them, shape (n_titles, n_kinds + 6); all is 0 before. */
EXPORT void describe_goods(places named, number_lists brands, const goods_table *goods, doubles_out values);

#endif
