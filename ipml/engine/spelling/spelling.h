/* Misspelt words of many texts at once, read as `ipml.features.spelling.Spelling` says. */
#ifndef IPML_SPELLING_H
#define IPML_SPELLING_H

#include "base/engine.h"

/* A set of words, as words.h says. */
typedef struct {
    uint64s table;
    uint8s lines; /* the words, one a line */
} word_set;

/* Words that are not corrected, known or not, as words.h says: the marks of those in bucket i are starts.at[i] to
   starts.at[i + 1]. */
typedef struct {
    uint32s starts;
    uint32s marks;
} ordinary_words;

/* Facts on bytes in words, and on letters beside them; two sounds and two keys a byte. */
typedef struct {
    uint8s codes;            /* the code of each byte that may be in a word, CODE_OF_SIGN in that of a sign; else 0 */
    uint8s sounds;           /* the one or two letters of which it has the sound */
    uint8s may_double;       /* whether it sounds the same twice in a row */
    uint8s beside;           /* the one or two letters whose keys are beside its own, 0 for none */
    uint8s is_gap;           /* whether it may part two pieces of a word */
    uint8s is_sign;          /* whether it is a sign that may replace a letter, but in no word */
    uint8s classes;          /* its code without CODE_OF_SIGN, and a bit more where it is such a sign */
    uint8s letters_of_signs; /* the letter that it, below 128, replaces beside signs; 0 of what is beside none */
    uint8s kinds;            /* of what kinds each code point is */
} word_letters;

typedef struct {
    word_set known; /* the words that others may mean, among others */
    ordinary_words ordinary;
    word_letters letters;
} spelling_tables;

/* Write which texts change (int64), where each of them ends among their new bytes (int64), and these bytes. */
EXPORT outcome read_texts(texts folded, const spelling_tables *tables, buffer *rows, buffer *ends, buffer *written);

#endif
