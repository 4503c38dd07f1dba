/* Which brands titles name, and what listings claim of them: `ipml.features.compiled.brands`. */
#ifndef IPML_BRANDS_H
#define IPML_BRANDS_H

#include "base/engine.h"
#include "folding/characters.h"
#include "phrases/places.h"

/* The ways each brand is spelt plainly, in lower case: those of brand i are starts.at[i] to starts.at[i + 1]. */
typedef struct {
    int64s starts;
    texts spelt;
} brand_spellings;

/* Write the brands each text names, in the order they are named, each once: where they start by text, shape
   (n_texts + 1,), and their numbers, of which there is room for as many as there are places. */
EXPORT void list_brands(places named, int64s phrase_brands, int64s_out starts, int64s_out brands);

/* Whether brands that a title names can be read only after folding; a plain function has to look. */
enum { IS_PLAIN, IS_DISGUISED, MAY_BE_DISGUISED };

/* Say whether brands that titles name can be read only after folding: they name some, hold what folding would undo, and
   spell none as it is, whatever the case and the white space. */
EXPORT void find_disguised(texts titles, number_lists brands, const brand_spellings *plain, const characters *known,
                           uint8s_out found);

/* Write what listings claim of brands, shape (n_listings, 8). */
EXPORT void describe_claims(number_lists brands, uint8s is_disguised, int64s n_disguised_words, uint8s has_field,
                            int64s claimed, int8s standing, doubles_out values);

#endif
