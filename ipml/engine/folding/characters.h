/* What every character reads as and counts for, as `ipml.features.compiled.characters` has it.

   A character is a number: its code in the lowest bits, and above them the flags of what it counts for. A text that is
   folded is an array of such numbers. */
#ifndef IPML_CHARACTERS_H
#define IPML_CHARACTERS_H

#include "base/engine.h"

static const int64_t CODE = (INT64_C(1) << 21) - 1;
static const int64_t WORD = INT64_C(1) << 21;
static const int64_t LETTER = INT64_C(1) << 22;
static const int64_t ALPHA = INT64_C(1) << 23;
static const int64_t DIGIT = INT64_C(1) << 24;
static const int64_t DECIMAL = INT64_C(1) << 25;
static const int64_t GREEK = INT64_C(1) << 26;
static const int64_t CYRILLIC = INT64_C(1) << 27;
static const int64_t LIVING = INT64_C(1) << 28; /* any other script in use */
static const int64_t OWN_SHAPE = INT64_C(1) << 29;
static const int64_t INVISIBLE = INT64_C(1) << 30;
static const int64_t MARK = INT64_C(1) << 31;
static const int64_t SIGN = INT64_C(1) << 32;
static const int64_t IDEOGRAPH = INT64_C(1) << 33;
static const int64_t TURNED = INT64_C(1) << 34;
static const int64_t REVERSING = INT64_C(1) << 35;
static const int64_t MISSING = INT64_C(1) << 36;
static const int64_t BEGINS_MARKUP = INT64_C(1) << 37;
static const int64_t ORNAMENT = INT64_C(7) << 38; /* the number of the far script, from 1 */
enum { ORNAMENT_SHIFT = 38 };

/* Above its flags stands where a character was written, if that is asked for: the number of its letter in the text. */
enum { PLACE_SHIFT = 41, LAST_PLACE = (1 << 22) - 1 };
static const int64_t PLACE = (int64_t)LAST_PLACE << PLACE_SHIFT;

enum { MOST_LETTERS_OF_A_READING = 18, MOST_LETTERS_OF_A_SOUND = 4 };

/* What is known of a character: with its flags; as the ASCII character that a letter of a living script looks like, or
   as the one that a sign or an ideograph replaces in some company, else itself; where its reading in lower case and
   the sound of a Greek or Cyrillic letter begin among the letters, times 256, plus their length; and its code in lower
   case, that of a space for white space, and above it what it counts for in a word that may hide what it says. */
enum { ITSELF, SHAPE, STAND_IN, READING, SOUND, LOWER, N_ASPECTS };

/* What concerns a character stands at 256 times the number of its page plus its place there. Pages are worked out when
   they are needed: a function that finds some missing asks for them, and is of no use until it is called again. */
typedef struct {
    int32s pages;     /* the number of each page of 256 characters, 0 for those not met yet */
    int64s entries;   /* shape (256 pages, N_ASPECTS); those of the first page are all MISSING */
    int64s letters;   /* those of readings and sounds, and some more: the longest sound can be read anywhere */
    uint8s_out asked; /* 1 for each page that is asked for; the last one for any */
} characters;

static inline bool are_characters(const characters *of) {
    return of->pages.n == (CODE + 1) / 256 && of->asked.n == of->pages.n + 1 && of->entries.n % (256 * N_ASPECTS) == 0;
}

/* What is known of a character of a page that has been met. */
static inline int64_t describe(int64_t letter, int aspect, const characters *known) {
    uint64_t code = (uint64_t)(letter & CODE);
    uint64_t page = (uint64_t)known->pages.at[code >> 8];
    return known->entries.at[(page << 8 | (code & 0xFF)) * N_ASPECTS + (uint64_t)aspect];
}

/* What is known of a character, whose page is asked for if it is missing. */
static inline int64_t look_up(int64_t code, int aspect, const characters *known) {
    if (known->pages.at[code >> 8] == 0) known->asked.at[code >> 8] = known->asked.at[known->asked.n - 1] = 1;
    return describe(code, aspect, known);
}

static inline bool lacks_pages(const characters *known) { return known->asked.at[known->asked.n - 1] != 0; }

/* Another character in the place of one. */
static inline int64_t in_place_of(int64_t letter, int64_t other) { return other | (letter & PLACE); }

#endif
