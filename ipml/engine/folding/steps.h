/* The steps of folding, and the tables that each looks up, as `ipml.features.compiled.folding` prepares them. */
#ifndef IPML_STEPS_H
#define IPML_STEPS_H

#include "folding/characters.h"

/* Characters, from UTF-8 and back */

enum { NOTHING = -1 };

/* The 128 ASCII characters, in order. */
typedef struct {
    int64s itself;   /* with its flags */
    int64s readings; /* what each reads as in lower case, NOTHING if as nothing */
} ascii_characters;

/* Ask for the pages of the letters of texts that are missing; return whether any are. */
bool ask_pages(texts of, const characters *known);

int64_t read_alone(const uint8_t *data, int64_t start, int64_t end, int64_t most, const characters *known,
                   const ascii_characters *ascii, uint8_t *read);
int64_t decode(const uint8_t *data, int64_t start, int64_t end, const characters *known, const ascii_characters *ascii,
               const int32_t *places, int64_t *text, int64_t *seen);
int64_t turn_round(int64_t *text, int64_t n);
int64_t join_voice_marks(int64_t *text, int64_t n, const characters *known);
int64_t drop_invisible(int64_t *text, int64_t n);
int64_t read_letters(const int64_t *text, int64_t n, int64_t most, const characters *known,
                     const ascii_characters *ascii, int64_t *read, bool *is_ascii);
int64_t widen(const uint8_t *data, int64_t start, int64_t end, bool is_read, const ascii_characters *ascii,
              int64_t *text);
void narrow(const int64_t *text, int64_t n, uint8_t *read);
int64_t put_letter(int64_t code, uint8_t *into, int64_t to);
int64_t encode(const int64_t *text, int64_t n, uint8_t *folded, int64_t first);

/* Markup, entities of HTML, escapes */

/* Names of up to eight letters are numbers, the first letter in the lowest bits. */
typedef struct {
    uint64s breaking;   /* tags that part words */
    uint64s hiding;     /* tags that may hide what they hold */
    texts names;        /* of entities with a semicolon, in order */
    int64s codes;       /* their characters, two of each; NOTHING for none */
    uint64s open_names; /* of entities that need no semicolon, in order */
    int64s open_codes;  /* their characters */
    int64s numbers;     /* the characters with the first numbers, NOTHING for none */
} markup_tables;

bool may_hold_markup(const uint8_t *data, int64_t start, int64_t end);

/* The bytes of a text and, unless NULL, for each the number of the letter as which it was written. */
typedef struct {
    uint8_t *at;
    int32_t *places;
} written_bytes;

/* Take out the markup of a text, in place; return its length. Both arrays have room for the text as it is, and a quarter
   more, since two entities are longer than their names. */
int64_t unwrap(const written_bytes *text, int64_t n, const characters *known, const markup_tables *tables,
               const written_bytes *other);

/* Letters of other alphabets, by their company */

/* Latin letters for those of a text that is written in a far script throughout, or upside down. The key of a letter is
   its code, and above that the number of the script, 0 for letters upside down; in order. */
typedef struct {
    int64s keys;
    int64s letters; /* with their flags */
} script_readings;

enum { SCRIPT_SHIFT = 21 };

/* Read letters of far scripts that replace Latin ones, if a text has no others of their script. */
void read_ornaments(int64_t *text, int64_t n, const script_readings *of);

/* Turn words back that are written upside down. */
void turn_back(int64_t *text, int64_t n, const script_readings *of);

void read_signs_in_words(int64_t *text, int64_t n, const characters *known);
int64_t read_alphabet(int64_t *text, int64_t n, int64_t alphabet, const characters *known, int64_t *other);
void read_ideographs(int64_t *text, int64_t n, const characters *known);

/* Letters written apart or held down */

typedef struct {
    uint8s gaps; /* 1 for each ASCII character that may stand between letters written apart, shape (128,) */
} spacing_tables;

/* Join letters that stand apart; return how many characters are left. */
int64_t close_up(const spacing_tables *tables, int64_t *text, int64_t n);

/* Put spaces for the signs that part words. */
void open_separators(int64_t *text, int64_t n);

/* Shorten a letter that is held down to two, unless it is a word alone; return how many characters are left. */
int64_t shorten(int64_t *text, int64_t n);

/* ASCII signs that replace letters */

typedef struct {
    uint8s kinds;        /* of each byte, as `ipml.features.compiled.folding` has them */
    int64s letters_read; /* as what character each ASCII sign is read, shape (128,) */
} signs_tables;

/* Whether signs may be read in an ASCII text in lower case: where in doubt, they may. */
bool may_stand_for_letters(const signs_tables *tables, const uint8_t *data, int64_t start, int64_t end);

/* Read signs as letters in or at a word, in place; everywhere, if the text is written in them throughout. `written` has
   room for as many characters as the text, and may be filled with the text as it was. */
void read_signs(const signs_tables *tables, int64_t *text, int64_t n, int64_t *written);

/* ASCII texts that may be plain */

/* Why a text may not be plain: letters apart or held down, signs for letters, markup, control characters. */
enum { IS_APART = 1, IS_HELD_DOWN = 2, HAS_SIGN = 4, HAS_MARKUP = 8, HAS_CONTROL = 16 };

typedef struct {
    uint16s next;  /* the place of the next state for each state and kind of a character */
    uint8s kinds;  /* of each byte */
    uint16s pairs; /* what each byte is after each other one, shape (65536,), the first of them the higher one */
} screening_tables;

static inline bool is_ascii(const uint8_t *data, int64_t start, int64_t end) {
    uint8_t every = 0;
    for (int64_t at = start; at < end; at++) every |= data[at];
    return every < 0x80;
}

/* Write a text in lower case with single spaces, from a place on; return where it ends, and in `why` flags why it may
   not be plain. There must be room for as many bytes as the text has. */
int64_t fold_ascii(const screening_tables *tables, const uint8_t *data, int64_t start, int64_t end, uint8_t *folded,
                   int64_t first, int64_t *why);

/* Whether letters may be apart in an array of characters. */
bool may_be_apart(const screening_tables *tables, const int64_t *text, int64_t n);

#endif
