/* Which brands and kinds of goods titles name, and what follows: `ipml.features.compiled.goods`. */
#ifndef IPML_GOODS_H
#define IPML_GOODS_H

#include "base/engine.h"
#include "folding/folding.h"
#include "phrases/phrases.h"

enum { N_CLAIMS = 8, N_SUMMARY = 6 }; /* values of a listing, and of a title beside its kinds of goods */

/* The ways each brand is spelt plainly, in lower case: those of brand i are starts.at[i] to starts.at[i + 1]. */
typedef struct {
    int64s starts;
    texts spelt;
} brand_spellings;

static inline bool are_spellings(const brand_spellings *of) {
    return ends_at(of->starts, n_rows(of->spelt)) && are_table_texts(of->spelt);
}

/* Write the brands each text names, in the order they are named, each once: where they start by text, shape
   (n_texts + 1,), and their numbers, of which there is room for as many as there are places. */
EXPORT outcome list_brands(places named, int64s phrase_brands, int64s_out starts, int64s_out brands);

/* Say whether brands that titles name can be read only after folding: they name some, spell none as it is, whatever the
   case and the white space, nor in a script that folding leaves as it is, but spell one once folded. A misspelt one is
   spelt in neither. So many letters of a title are folded. */
EXPORT outcome find_disguised(texts titles, texts folded, number_lists brands, const brand_spellings *plain,
                              int64_t most, const characters *known, const folding_tables *folding, uint8s_out found);

/* Write what listings claim of brands, shape (n_listings, 8). */
EXPORT outcome describe_claims(number_lists brands, uint8s is_disguised, int64s n_disguised_words, uint8s has_field,
                               int64s claimed, int8s standing, doubles_out values);

typedef struct {
    int64s phrase_kinds;  /* the number of each phrase's kind */
    doubles often_copied; /* how often each kind is copied, in 0-1 */
    uint8s of_brand;      /* whether each brand makes each kind, shape (n_brands, n_kinds) */
} goods_table;

/* Write 1 for each kind a title names, and what follows from them, shape (n_titles, n_kinds + 6); all is 0 before. */
EXPORT outcome describe_goods(places named, number_lists brands, const goods_table *goods, doubles_out values);

#endif
