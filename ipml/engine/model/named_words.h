/* The words of listings that their reasons name and their pages mark: `ipml.scoring.named_words`.

   `cut_words`, `ask_words`, `choose_words` and `mark_words` are called in this order, on the same texts and phrases.
   In between it is worked out what each listing loses without what was asked for: by the caller, or by `name_words`,
   which then takes the place of the last two. */
#ifndef IPML_NAMED_WORDS_H
#define IPML_NAMED_WORDS_H

#include "model/changes.h"

/* Titles and descriptions in code points, in turn; after each stands one letter more that belongs to none. */
typedef struct {
    int64s starts;     /* shape (2 * n_listings + 1,) */
    uint32s letters;   /* as written; as many in small letters, in which words are looked for; and the keys */
    int64s key_starts; /* where the keys of each letter begin, and where all end: words of the same keys are the same */
} lettered;

/* Phrases that were found in them. Of phrase i the letters that are sought in the title are those from starts.at[2 * i]
   on, then in the description; there are none where it is not sought. */
typedef struct {
    int64s rows; /* where the phrases of each listing begin, in the order of their groups */
    int64s groups, starts;
    uint32s letters;
} found_phrases;

typedef struct {
    lettered texts;
    found_phrases phrases;
} found_words;

/* A group is a number: first those of which a sentence names some phrases, then those of which it names all, last title
   and description, whose words are chosen here. */
typedef struct {
    uint8s kinds;          /* of letters */
    int64s most;           /* words of a title and of a description that are asked for */
    doubles least;         /* what words of both have to carry to be marked */
    double smallest_share; /* and how much of what the heaviest one carries */
    double least_named;    /* what a word is marked with that a reason names, so that it is seen */
    int64_t most_marks, first_whole, n_groups;
} naming;

/* The words of some listings, what is taken away from them, and what of it is named and marked. Words are those of each
   text, in turn as texts are. */
typedef struct {
    buffer phrase_starts, places;               /* where each phrase stands: in the title, then in the description */
    buffer part_starts, parts;                  /* where words stand in each text */
    buffer word_starts, words;                  /* the different words of each text */
    buffer change_starts, rows, starts, pieces; /* what is taken away, as `text_changes` has it: phrases first */
    buffer named_starts, named, joined;         /* by listing and group what is named, and the change without all of it */
    buffer said;                                /* of each named the number of the phrase, or where the word stands */
    buffer mark_starts, marks, weights;         /* the places to mark in each text, and what they weigh */
} named_words;

#endif
