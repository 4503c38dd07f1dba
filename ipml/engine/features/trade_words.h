/* The words of the trade, counted or found in many texts: `ipml.features.lexicon`. */
#ifndef IPML_TRADE_WORDS_H
#define IPML_TRADE_WORDS_H

#include "base/engine.h"
#include "phrases/phrases.h"

/* What is known of the phrases of a lexicon; kinds are numbered, those that are counted first. */
typedef struct {
    uint8s letter_kinds;             /* of what kinds each code point is */
    int64s kinds;                    /* the kind of each phrase */
    int64s context_starts, contexts; /* the kinds that each must not stand near */
    int64s ranks;                    /* the place of each kind in the order of names */
    uint8s deniable;                 /* whether a negation turns a kind into another */
    int64s most;                     /* how often each kind counts in a text at most */
    int64_t n_counted;               /* how many kinds are counted */
    int64_t negation, negated;       /* what negations are, and what is counted if a phrase is denied */
} trade_table;

static inline bool is_trade_table(const trade_table *of) {
    return of->context_starts.n == of->kinds.n + 1 && ends_at(of->context_starts, of->contexts.n) &&
           of->deniable.n == of->ranks.n && of->most.n == of->ranks.n && of->n_counted <= of->ranks.n &&
           of->negated < of->ranks.n;
}

/* Write how often each kind counts in each text, shape (n_texts, n_counted); all is 0 before. */
EXPORT outcome count_trade_words(texts folded, places found, const trade_table *table, doubles_out counts);

#endif
