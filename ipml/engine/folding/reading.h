/* From UTF-8 to characters with their flags, from each of these to what it reads as, and back to UTF-8. */
#ifndef IPML_READING_H
#define IPML_READING_H

#include "folding/characters.h"

enum { NOTHING = -1 };

/* The 128 ASCII characters, in order. */
typedef struct {
    int64s itself;   /* with its flags */
    int64s readings; /* what each reads as in lower case, NOTHING if as nothing */
} ascii_characters;

int64_t read_alone(const uint8_t *data, int64_t start, int64_t end, int64_t most, const characters *known,
                   const ascii_characters *ascii, uint8_t *read);
int64_t decode(const uint8_t *data, int64_t start, int64_t end, const characters *known, const ascii_characters *ascii,
               uint8_t *missing, int64_t *text, int64_t *seen);
int64_t turn_round(int64_t *text, int64_t n);
int64_t drop_invisible(int64_t *text, int64_t n);
int64_t read_letters(const int64_t *text, int64_t n, int64_t most, const characters *known,
                     const ascii_characters *ascii, int64_t *read, bool *is_ascii);
int64_t widen(const uint8_t *data, int64_t start, int64_t end, bool is_read, const ascii_characters *ascii,
              int64_t *text);
void narrow(const int64_t *text, int64_t n, uint8_t *read);
int64_t put_letter(int64_t code, uint8_t *into, int64_t to);
int64_t encode(const int64_t *text, int64_t n, uint8_t *folded, int64_t first);

#endif
