/* Letters in UTF-8: which code point stands at a byte, and of what kind it is, as
   `ipml.features.compiled.texts` has it. */
#ifndef IPML_LETTERS_H
#define IPML_LETTERS_H

#include "base/engine.h"

enum { ALNUM = 1, DECIMAL_DIGIT = 2, SPACE = 4, SPELT_MARK = 8 };
enum { BREAK = 10 }; /* stands before and after every text: it is neither a letter nor a digit */

static inline int64_t size_of_letter(uint8_t byte) { return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4; }

/* Whether some letters stand at a byte of a text. */
static inline bool stands_at(const uint8_t *data, int64_t at, int64_t end, const void *letters, int64_t size) {
    return at + size <= end && memcmp(data + at, letters, (size_t)size) == 0;
}

static inline int64_t letter_at(const uint8_t *data, int64_t at) {
    int64_t first = data[at];
    if (first < 0x80) return first;
    if (first < 0xE0) return (first & 0x1F) << 6 | (data[at + 1] & 0x3F);
    if (first < 0xF0) return (first & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F);
    return (first & 0x07) << 18 | (data[at + 1] & 0x3F) << 12 | (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F);
}

/* The code point of the letter that ends before a byte of a text; a break where the text starts there. */
static inline int64_t letter_before(const uint8_t *data, int64_t at, int64_t start) {
    if (at <= start) return BREAK;
    at--;
    while (at > start && (data[at] & 0xC0) == 0x80) at--;
    return letter_at(data, at);
}

/* The code point of the letter at a byte of a text; a break where the text ends there. */
static inline int64_t letter_after(const uint8_t *data, int64_t at, int64_t end) {
    return at < end ? letter_at(data, at) : BREAK;
}

static inline int64_t count_letters_between(const uint8_t *data, int64_t start, int64_t end) {
    int64_t n = 0;
    for (int64_t at = start; at < end; at++) n += (data[at] & 0xC0) != 0x80;
    return n;
}

static inline bool is_kind(uint8s kinds, int64_t letter, int kind) {
    return letter < kinds.n && (kinds.at[letter] & kind) != 0;
}

/* Whether a letter may stand in a word: \w. */
static inline bool is_word_letter(uint8s kinds, int64_t letter) {
    return letter == 0x5F || is_kind(kinds, letter, ALNUM);
}

/* Where a text ends that is cut to so many letters. */
static inline int64_t end_of_letters(const uint8_t *data, int64_t start, int64_t end, int64_t most) {
    if (end - start <= most) return end;
    int64_t n = 0;
    for (int64_t at = start; at < end; at++) {
        n += (data[at] & 0xC0) != 0x80;
        if (n > most) return at;
    }
    return end;
}

#endif
