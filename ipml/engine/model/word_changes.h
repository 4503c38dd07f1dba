/* What the functions of `named_words.h` share: the words of texts, and what is taken away. */
#ifndef IPML_WORD_CHANGES_H
#define IPML_WORD_CHANGES_H

#include "model/named_words.h"

enum { N_TEXTS = 2 }; /* of a listing */

/* A place of a text, and of a word which of the different ones of its text it is. */
typedef struct {
    int64_t start, end;
} span;
typedef struct {
    int64_t start, end, word;
} part;

/* The first part with a word, and the change that takes the word away; -1 for none. */
typedef struct {
    int64_t first, change;
} word;

/* A text in turn. */
typedef struct {
    const uint32_t *written, *small, *keys;
    const int64_t *key_starts;
    int64_t n;
} text;

static inline int64_t n_texts(lettered of) { return of.starts.n - 1; }

static inline bool is_naming(const naming *of) { return of->most.n == N_TEXTS && of->least.n == N_TEXTS; }

static inline bool are_found_words(const found_words *of) {
    int64s starts = of->texts.starts, rows = of->phrases.rows, keys = of->texts.key_starts;
    int64_t n_letters = starts.n > 0 ? starts.at[starts.n - 1] : 0;
    return are_lists(starts, n_letters) && starts.n % N_TEXTS == 1 && keys.n == n_letters + 1 &&
           are_lists(keys, of->texts.letters.n - 2 * n_letters) && rows.n == starts.n / N_TEXTS + 1 &&
           are_lists(rows, of->phrases.groups.n) && of->phrases.starts.n == N_TEXTS * of->phrases.groups.n + 1 &&
           are_lists(of->phrases.starts, of->phrases.letters.n);
}

/* How many changes are asked for. */
static inline int64_t count_changes(const named_words *of) { return of->rows.n / (int64_t)sizeof(int64_t); }

static inline text text_of(lettered of, int64_t number) {
    int64_t start = of.starts.at[number], n_letters = of.starts.at[of.starts.n - 1];
    const uint32_t *written = of.letters.at;
    return (text){written + start, written + n_letters + start, written + 2 * n_letters, of.key_starts.at + start,
                  of.starts.at[number + 1] - start - 1};
}

static inline const int64_t *int64s_of(const buffer *of) { return (const int64_t *)(const void *)of->at; }
static inline part *parts_of(const named_words *of) { return (part *)(void *)of->parts.at; }
static inline word *words_of(const named_words *of) { return (word *)(void *)of->words.at; }

/* The places of one phrase in one text of its listing. */
static inline span *places_of_phrase(const named_words *of, int64_t phrase, int64_t side, int64_t *n) {
    const int64_t *starts = int64s_of(&of->phrase_starts) + N_TEXTS * phrase + side;
    *n = starts[1] - starts[0];
    return (span *)(void *)of->places.at + starts[0];
}

/* The places of one text that a change takes away. */
static inline span *places_of(const named_words *of, int64_t change, int64_t side, int64_t *n) {
    const int64_t *starts = int64s_of(&of->starts) + N_TEXTS * change + side;
    *n = starts[1] - starts[0];
    return (span *)(void *)of->pieces.at + starts[0];
}

/* Order places by their starts, of the same start the longest first. */
static inline int compare_places(const void *a, const void *b) {
    const span *one = a, *other = b;
    if (one->start != other->start) return one->start < other->start ? -1 : 1;
    return (one->end < other->end) - (one->end > other->end);
}

/* Say that all pieces of a text are written. */
static inline void end_side(named_words *into) {
    buffer_write_int64(&into->starts, into->pieces.n / (int64_t)sizeof(span));
}

typedef struct {
    double weight;
    int64_t number;
} weighed;

static inline int compare_weights(const void *a, const void *b) {
    const weighed *one = a, *other = b;
    if (one->weight != other->weight) return one->weight > other->weight ? -1 : 1;
    return (one->number > other->number) - (one->number < other->number);
}

static inline int64_t has_failed(const named_words *of) {
    return of->change_starts.failed || of->rows.failed || of->starts.failed || of->pieces.failed ||
           of->named_starts.failed || of->named.failed || of->joined.failed;
}

static inline int64_t longest_of(lettered of) {
    int64_t longest = 0;
    for (int64_t i = 0; i < n_texts(of); i++) longest = max_of(longest, text_of(of, i).n);
    return longest;
}

#endif
