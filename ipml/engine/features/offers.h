/* How offers are made: contacts, numbers of pieces and ranges of sizes in many texts. */
#ifndef IPML_OFFERS_H
#define IPML_OFFERS_H

#include "base/engine.h"
#include "phrases/phrases.h"

/* The columns of the values of a text: those of contacts, and of titles those of lots too. */
enum { MESSENGER, APPROACH, LINK, EMAIL, HANDLE, PHONE, N_CONTACTS };
enum { LOT_WORDS = N_CONTACTS, PIECES, RANGE, ALL_SIZES, N_CONTACTS_AND_LOTS };

/* What is looked up, as `ipml.features.offers` prepares it. */
typedef struct {
    uint8s kinds;   /* of letters */
    uint16s pairs;  /* what may begin or go on with the second of any two bytes */
    uint8s is_unit; /* whether a unit may begin with any two bytes */
    texts link_ends;
    texts units;      /* of pieces, in ASCII */
    texts ideographs; /* units of pieces, too */
    texts measures;   /* of what is no number of pieces */
} offer_table;

static inline bool is_offer_table(const offer_table *of) {
    return of->pairs.n == 1 << 16 && of->is_unit.n == 1 << 16 && are_table_texts(of->link_ends) &&
           are_table_texts(of->units) && are_table_texts(of->ideographs) && are_table_texts(of->measures);
}

/* Set the columns of the phrases that stand in each text; `columns` has -1 for phrases that set none. `values` has
   `n_columns` a text, N_CONTACTS or N_CONTACTS_AND_LOTS. */
EXPORT outcome set_groups(places phrases, int64s columns, int64_t n_columns, doubles_out values);

/* Look for contacts, and lots where there are columns for them, in folded texts, in which no digits are left but those
   of ASCII; values of texts in which something may begin are set. */
EXPORT outcome read_folded(texts folded, const offer_table *table, int64_t n_columns, doubles_out values);

/* Look for addresses and handles in the first letters of texts as written, of which folding may read an @ as a letter. */
EXPORT outcome read_raw(texts raw, int64_t max_letters, int64_t n_columns, doubles_out values);

#endif
