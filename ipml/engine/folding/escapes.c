#include "folding/escapes.h"

#include "folding/reading.h"

/* Whether an escape is one that only a text written in escapes holds. A plain function knows digits of other scripts. */
typedef enum { IS_NONE, IS_TELLING, IS_LEFT } evidence;

static bool is_letter(uint8_t byte) { return 'a' <= (byte | 0x20) && (byte | 0x20) <= 'z'; }

/* The value of some hexadecimal digits, -1 if there are not so many. */
static int64_t value_at(const uint8_t *text, int64_t at, int64_t n, int64_t n_digits) {
    int64_t value = 0;
    if (at + n_digits > n) return -1;
    for (int64_t i = at; i < at + n_digits; i++) {
        uint8_t low = text[i] | 0x20;
        if ('0' <= text[i] && text[i] <= '9') value = value * 16 + text[i] - '0';
        else if ('a' <= low && low <= 'f') value = value * 16 + low - 'a' + 10;
        else return -1;
    }
    return value;
}

static bool are_letters(const uint8_t *text, int64_t at, int64_t n, int64_t n_letters) {
    if (at + n_letters > n) return false;
    for (int64_t i = at; i < at + n_letters; i++)
        if (!is_letter(text[i])) return false;
    return true;
}

static bool is_percent(const uint8_t *text, int64_t at, int64_t n) {
    return at < n && text[at] == '%' && value_at(text, at + 1, n, 2) >= 0;
}

/* How many digits a backslash is followed by that make an escape, 0 if it begins none. */
static int64_t digits_of(const uint8_t *text, int64_t at, int64_t n) {
    if (at + 1 >= n || text[at] != '\\') return 0;
    int64_t n_digits = text[at + 1] == 'u' ? 4 : text[at + 1] == 'x' ? 2 : 0;
    return n_digits > 0 && value_at(text, at + 2, n, n_digits) >= 0 ? n_digits : 0;
}

/* A percent sign after a number hardly begins an escape; in Turkish it stands before one. */
static evidence weigh_escape(const uint8_t *text, int64_t at, int64_t n) {
    if (digits_of(text, at, n)) return IS_TELLING;
    if (!is_percent(text, at, n)) return IS_NONE;
    uint8_t first = text[at + 1], before = at > 0 ? text[at - 1] : ' ';
    bool is_plain = '2' <= first && first <= '7', is_after_digit = '0' <= before && before <= '9';
    if (is_letter(before) && is_plain && (is_letter(text[at + 2]) || are_letters(text, at + 3, n, 1))) return IS_TELLING;
    if (first == '2' && text[at + 2] == '5' && value_at(text, at + 3, n, 2) >= 0) return IS_TELLING;
    bool begins_word = !is_letter(before) && is_plain && first >= '4' && are_letters(text, at + 3, n, 3);
    if (is_after_digit || !(begins_word || is_percent(text, at + 3, n))) return IS_NONE;
    return before < 0x80 ? IS_TELLING : IS_LEFT;
}

/* The size of the letter in UTF-8 at the start of some bytes, 0 if they begin with none. */
static int64_t size_of_sound_letter(const uint8_t *at, int64_t n) {
    int64_t size = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
    if (size > n) return 0;
    for (int64_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    bool is_long_form = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool is_beyond = (at[0] == 0xED && at[1] >= 0xA0) || (at[0] == 0xF4 && at[1] >= 0x90);
    return is_long_form || is_beyond ? 0 : size;
}

static bool is_sound(const uint8_t *bytes, int64_t n) {
    int64_t at = 0, size = 1;
    for (; at < n && size > 0; at += size) size = size_of_sound_letter(bytes + at, n - at);
    return size > 0;
}

/* Write what escapes of bytes in a row stand for, themselves if that is no text; move to their end. */
static int64_t read_bytes(const uint8_t *text, int64_t *at, int64_t n, uint8_t *read, int64_t to) {
    int64_t start = *at, n_bytes = 0;
    for (; is_percent(text, *at, n); *at += 3) read[to + n_bytes++] = (uint8_t)value_at(text, *at + 1, n, 2);
    if (is_sound(read + to, n_bytes)) return to + n_bytes;
    memcpy(read + to, text + start, (size_t)(*at - start));
    return to + *at - start;
}

int64_t read_escapes(const uint8_t *text, int64_t n, uint8_t *read) {
    bool is_written_in_escapes = false;
    for (int64_t at = 0; at < n; at++) {
        if (text[at] != '%' && text[at] != '\\') continue;
        evidence found = weigh_escape(text, at, n);
        if (found == IS_LEFT) return -1;
        is_written_in_escapes |= found == IS_TELLING;
    }
    int64_t to = 0;
    for (int64_t at = 0; at < n;) {
        int64_t n_digits = is_written_in_escapes ? digits_of(text, at, n) : 0;
        if (n_digits > 0) {
            to = put_letter(value_at(text, at + 2, n, n_digits), read, to);
            at += 2 + n_digits;
        } else if (is_written_in_escapes && is_percent(text, at, n)) {
            to = read_bytes(text, &at, n, read, to);
        } else {
            read[to++] = text[at++];
        }
    }
    return to;
}
