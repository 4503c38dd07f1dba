/* Links, telephones, addresses and handles in one text: the patterns of `tests/specification/offers.py`, sign by sign.

   Each function is given a text, `data` from `start` to `end`, and the byte `at` of the sign that tells. */
#ifndef IPML_CONTACTS_H
#define IPML_CONTACTS_H

#include "base/engine.h"

static inline bool is_digit(int64_t letter) { return letter >= '0' && letter <= '9'; }

/* Whether some letters stand at a byte. */
static inline bool stands_at(const uint8_t *data, int64_t at, int64_t end, const char *word, int64_t size) {
    return at + size <= end && memcmp(data + at, word, (size_t)size) == 0;
}

static inline int64_t size_of_word(texts words, int64_t number) {
    return words.offsets.at[number + 1] - words.offsets.at[number];
}

/* Whether one of some words stands at a byte. */
static inline bool word_stands_at(const uint8_t *data, int64_t at, int64_t end, texts words, int64_t number) {
    const char *word = (const char *)words.data.at + words.offsets.at[number];
    return stands_at(data, at, end, word, size_of_word(words, number));
}

/* Whether a link has its dot here, or its colon. */
bool is_link_at_dot(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds, texts link_ends);
bool is_link_at_colon(const uint8_t *data, int64_t start, int64_t end, int64_t at);

/* Whether a telephone begins with this plus. */
bool is_phone_at_plus(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds);

/* Whether this bracket is in a telephone, such as "8 (900) 000-00-00" or "(212) 555-0100". */
bool is_phone_at_bracket(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds);

/* Whether an address has its @ here, or a handle begins with it; in small letters. */
bool is_email_at(const uint8_t *data, int64_t start, int64_t end, int64_t at);
bool is_handle_at(const uint8_t *data, int64_t start, int64_t end, int64_t at);

#endif
