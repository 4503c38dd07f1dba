/* A set of words in one open-addressed table, looked up by their letters as numbers.

   A word is of the letters a to z and the signs * and #, which hide letters; others cannot be in the set. It is named
   by the place in `lines` at which it starts. How the table is laid out says word_table.h. */
#ifndef IPML_WORDS_H
#define IPML_WORDS_H

#include "base/engine.h"

typedef struct {
    uint64s table;
    uint8s lines; /* the words, one a line */
} word_set;

/* What is known of bytes in words, and of letters beside them. Of sounds, and of keys beside, there are two a byte. */
typedef struct {
    uint8s codes;            /* the code of each byte that may be in a word, CODE_OF_SIGN in that of a sign; else 0 */
    uint8s sounds;           /* the one or two letters of which it has the sound */
    uint8s may_double;       /* whether it sounds the same twice in a row */
    uint8s beside;           /* the one or two letters whose keys are beside its own, 0 for none */
    uint8s is_gap;           /* whether it may part two pieces of a word */
    uint8s is_sign;          /* whether it is a sign that may stand for a letter, but in no word */
    uint8s classes;          /* its code without CODE_OF_SIGN, and a bit more where it is such a sign */
    uint8s letters_of_signs; /* the letter that it, below 128, stands for beside signs; 0 of what is beside none */
    uint8s kinds;            /* of what kinds each code point is */
} word_letters;

/* Write where the words of a text, one a line, start and end; return how many there are. There is room for one a line.
   Lines that are empty or hold anything else are left out. */
EXPORT int64_t split_lines(uint8s lines, uint8s codes, int64s_out starts, int64s_out ends);

/* Write a table of the words of a text, one a line. */
EXPORT void make_words(uint8s lines, uint8s codes, buffer *table);

/* Return a word, which is not empty; -1 if it is not there. */
EXPORT int64_t look_up_word(const word_set *words, uint8s codes, uint8s word);

#endif
