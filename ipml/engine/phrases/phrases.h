/* Phrases of several sets, found in many texts at once: `ipml.features.compiled.phrases`; and where they stand there:
   `ipml.features.compiled.places`. */
#ifndef IPML_PHRASES_H
#define IPML_PHRASES_H

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

/* What is known of the letters and of the phrases. Entries are ways to fold a phrase; the skeletons of all of them,
   without gaps, are the words of a trie. */
typedef struct {
    uint8s kinds;         /* of what kinds each code point is */
    uint8s skeletons;     /* what each letter of ASCII is in a skeleton */
    uint8s classes;       /* the sum of 1 for a letter or digit, and 2 for no gap, of each letter of ASCII */
    uint16s pairs;        /* what each byte is after each other one */
    int64s cells;         /* of the trie */
    int32s words;         /* which word ends at each cell */
    uint8s beginnings;    /* a bit for each four bytes that may be, or follow, the beginning of a word */
    int64_t most_passed;  /* the most words that end on one way through the trie */
    int64s entry_starts;  /* where the entries of each word start */
    int32s entry_sets;    /* the set of each entry */
    int32s entry_numbers; /* the number of its phrase */
    int32s entry_flags;   /* the sum of 1 for any ending, and 2 if it must stand exactly as it is */
    texts folded;         /* its phrase, folded */
    int64s n_phrases;     /* of each set */
} phrase_tables;

static inline bool are_places(places of) {
    return of.start.n == of.number.n && of.end.n == of.number.n && are_lists(of.starts, of.number.n);
}

/* Whether the phrases that stand there are among so many. */
static inline bool are_numbered(places of, int64_t n) {
    bool is_below = true;
    for (int64_t i = 0; i < of.number.n; i++) is_below &= (uint64_t)of.number.at[i] < (uint64_t)n;
    return is_below;
}

static inline bool are_phrase_tables(const phrase_tables *of) {
    int64_t n = of->entry_sets.n;
    return of->skeletons.n == 128 && of->classes.n == 128 && of->pairs.n == 1 << 16 && of->beginnings.n == 1 << 17 &&
           of->cells.n == of->words.n && of->entry_numbers.n == n && of->entry_flags.n == n &&
           n_rows(of->folded) == n && are_table_texts(of->folded) && ends_at(of->entry_starts, n);
}

/* Find all phrases in all texts, set by set: where places start by text, int64 of shape (n_sets, n_texts + 1); where
   the places of each set start, int64 of shape (n_sets + 1,); and of each place the number of its phrase, and the
   bytes between which it stands, int32. */
EXPORT outcome find_places(texts folded, const phrase_tables *tables, buffer *starts, buffer *firsts, buffer *numbers,
                           buffer *begins, buffer *ends);

#endif
