/* Where phrases stand in many texts, and numbers of what they name: `ipml.features.compiled.places`. */
#ifndef IPML_PLACES_H
#define IPML_PLACES_H

#include "base/engine.h"

/* Which phrases stand where in some texts: those of text i are starts.at[i] to starts.at[i + 1], by start. */
typedef struct {
    int64s starts;
    int32s number;     /* of the phrase */
    int32s start, end; /* the bytes of the text between which it stands */
} places;

/* Some numbers for each of many texts: those of text i are starts.at[i] to starts.at[i + 1]. */
typedef struct {
    int64s starts;
    int64s number;
} number_lists;

/* Write where lists start once some are taken, shape (rows.n + 1,), and as int64 which of all their items those are.
   Returns -1 if there is no such list. */
EXPORT int64_t take_lists(int64s starts, int64s rows, int64s_out taken, buffer *items);

#endif
