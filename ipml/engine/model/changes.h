/* Listings weighed again without some pieces of their texts: what a listing loses without a word. */
#ifndef IPML_CHANGES_H
#define IPML_CHANGES_H

#include "model/first_stage.h"

/* What is taken away: of change i the pieces of the title are those from starts.at[2 * i] on, those of the description
   from starts.at[2 * i + 1] on. */
typedef struct {
    int64s rows;   /* the listing of each change, in ascending order */
    int64s starts; /* shape (2 * n_changes + 1,) */
    int64s pieces; /* where each begins and ends, in letters; those of a text by where they begin, and may overlap */
} text_changes;

/* Write the log-odds of the listing of each change as it is then, and what else is found of it, as `weigh_listings`
   does. Texts that do not change are read once. */
EXPORT outcome weigh_changes(const listings *of, const characters *known, const stage_tables *tables,
                             text_changes changes, doubles_out log_odds, uint8s_out found);

#endif
