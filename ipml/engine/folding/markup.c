/* Take markup and entities of HTML out of texts: the first step of `ipml.features.normalisation`.

   A text is its bytes; nothing gets longer on the way. A rare entity, a tag that may hide what it holds, and what may
   be written in escapes is left to the plain function. */
#include "folding/markup.h"

#include "folding/reading.h"

enum { MOST_UNWRAPS = 3, MOST_ZEROS = 40, MOST_IN_TAG = 500, MOST_IN_COMMENT = 2000 };
enum { LONGEST_NAME = 8 };
enum { UNREADABLE = 0xFFFD };
enum { IS_LEFT = -1 };

/* Markup that was read: where it ends, IS_LEFT if the text is left, and the character that stands for it. */
typedef struct {
    int64_t end;
    int64_t code;
} markup;

static inline bool is_letter(uint8_t byte) { return 'a' <= (byte | 0x20) && (byte | 0x20) <= 'z'; }

static inline bool is_digit(uint8_t byte) { return '0' <= byte && byte <= '9'; }

static inline bool is_ascii_word(uint8_t byte) { return is_letter(byte) || is_digit(byte) || byte == '_'; }

/* The value of a digit; the base for anything else. */
static inline int64_t digit_of(uint8_t byte, int64_t base) {
    int64_t value = is_digit(byte) ? byte - '0' : is_letter(byte) ? (byte | 0x20) - 'a' + 10 : base;
    return min_of(value, base);
}

/* Whether a percent sign or a backslash may begin an escape; a percent sign after a digit hardly does. */
static bool may_be_escape(const uint8_t *data, int64_t start, int64_t at, int64_t end) {
    if (at + 2 >= end) return false;
    uint8_t after = data[at + 1], second = data[at + 2];
    if (data[at] == '\\') return after == 'u' || after == 'x';
    if (digit_of(after, 16) == 16 || digit_of(second, 16) == 16) return false;
    return at == start || !is_digit(data[at - 1]) || (after == '2' && second == '5');
}

static bool may_be_tag(uint8_t after) { return is_letter(after) || after >= 0x80 || after == '/' || after == '!'; }

static bool may_be_entity(uint8_t after, uint8_t second) {
    return after == '#' || (is_letter(after) && (is_ascii_word(second) || second >= 0x80));
}

/* Whether some "<" or "&" may begin a tag, a comment or an entity, or some sign an escape: in doubt, it may. */
bool may_hold_markup(const uint8_t *data, int64_t start, int64_t end) {
    for (int64_t at = start; at < end - 2; at++) {
        uint8_t byte = data[at];
        if (byte == '<' && may_be_tag(data[at + 1])) return true;
        if (byte == '&' && may_be_entity(data[at + 1], data[at + 2])) return true;
        if ((byte == '%' || byte == '\\') && may_be_escape(data, start, at, end)) return true;
    }
    return false;
}

static bool may_hold_escapes(const uint8_t *text, int64_t n) {
    for (int64_t at = 0; at < n; at++) {
        if ((text[at] == '%' || text[at] == '\\') && may_be_escape(text, 0, at, n)) return true;
    }
    return false;
}

/* Read a word of ASCII letters, digits and underscores; return its end. Its name is 0 if it is too long. */
static int64_t read_name(const uint8_t *text, int64_t start, int64_t n, bool is_lowered, uint64_t *name) {
    uint64_t read = 0;
    int64_t at = start;
    for (; at < n && is_ascii_word(text[at]); at++) {
        if (at - start < LONGEST_NAME) {
            uint64_t byte = text[at] | (is_lowered ? 0x20u : 0u);
            read |= byte << 8 * (at - start);
        }
    }
    *name = at - start <= LONGEST_NAME ? read : 0;
    return at;
}

static bool holds(uint64s names, uint64_t name) {
    for (int64_t i = 0; i < names.n; i++) {
        if (names.at[i] == name) return true;
    }
    return false;
}

/* The place of a name among others in order, -1 if it is not there. */
static int64_t find(uint64s names, uint64_t name) {
    int64_t low = 0, high = names.n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (names.at[middle] < name)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names.n && names.at[low] == name ? low : -1;
}

/* The end of a comment; its start if it has none. */
static int64_t end_of_comment(const uint8_t *text, int64_t start, int64_t n) {
    int64_t n_letters = 0;
    for (int64_t at = start + 4; at < n - 2; at++) {
        if (text[at] == '-' && text[at + 1] == '-' && text[at + 2] == '>') return at + 3;
        n_letters += (text[at] & 0xC0) != 0x80;
        if (n_letters > MOST_IN_COMMENT) break;
    }
    return start;
}

/* Whether a place in a tag may be that of a style, or of the word "hidden". */
static bool may_hide(const uint8_t *text, int64_t at, int64_t n) {
    if (text[at] == ':' || text[at] >= 0x80) return true;
    return at + 2 < n && (text[at] | 0x20) == 'h' && (text[at + 1] | 0x20) == 'i' && (text[at + 2] | 0x20) == 'd';
}

/* Read a tag or comment; it ends at its start if it is none. It is left if it may hide words. */
static markup read_tag(const uint8_t *text, int64_t start, int64_t n, const markup_tables *tables) {
    const markup none = {start, NOTHING}, left = {IS_LEFT, NOTHING};
    if (start + 3 < n && text[start + 1] == '!' && text[start + 2] == '-' && text[start + 3] == '-') {
        return (markup){end_of_comment(text, start, n), NOTHING};
    }
    int64_t begin = start + 1 + (start + 1 < n && text[start + 1] == '/');
    if (begin >= n) return none;
    if (!is_letter(text[begin])) return text[begin] >= 0x80 ? left : none;
    uint64_t name;
    int64_t at = read_name(text, begin, n, true, &name);
    if (at < n && text[at] >= 0x80) return left;
    bool is_hiding = begin == start + 1 && holds(tables->hiding, name);
    int64_t n_letters = at - begin - 1;
    for (; at < n && text[at] != '<' && text[at] != '>'; at++) {
        if (is_hiding && may_hide(text, at, n)) return left;
        n_letters += (text[at] & 0xC0) != 0x80;
    }
    if (at == n || text[at] == '<' || n_letters > MOST_IN_TAG) return none;
    return (markup){at + 1, holds(tables->breaking, name) ? ' ' : NOTHING};
}

/* The character that a number stands for, as browsers read it. */
static int64_t character_of(int64_t number, const markup_tables *tables) {
    if (number < tables->numbers.n) return tables->numbers.at[number];
    if (number > 0x10FFFF || (0xD800 <= number && number <= 0xDFFF)) return UNREADABLE;
    bool is_no_character = (0xFDD0 <= number && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
    return is_no_character ? NOTHING : number;
}

static markup read_number(const uint8_t *text, int64_t start, int64_t first, int64_t n, int64_t base, int64_t most,
                          const markup_tables *tables) {
    int64_t at = first, number = 0;
    while (at < n && at < first + MOST_ZEROS && text[at] == '0') at++;
    int64_t last = min_of(n, at + most);
    for (; at < last && digit_of(text[at], base) < base; at++) number = number * base + digit_of(text[at], base);
    if (at == first) return (markup){start, NOTHING};
    bool is_closed = at < n && text[at] == ';';
    return (markup){at + is_closed, character_of(number, tables)};
}

/* Read the longest name at the start of a word that needs no semicolon, as browsers do. */
static markup read_open_name(const uint8_t *text, int64_t start, int64_t end, const markup_tables *tables) {
    for (int64_t last = min_of(end, start + 1 + LONGEST_NAME); last > start + 2; last--) {
        uint64_t name;
        read_name(text, start + 1, last, false, &name);
        int64_t place = find(tables->open_names, name);
        if (place >= 0) return (markup){last, tables->open_codes.at[place]};
    }
    return (markup){start, NOTHING};
}

/* Read an entity; it ends at its start if it is none. It is left if it is a rare one. */
static markup read_entity(const uint8_t *text, int64_t start, int64_t n, const markup_tables *tables) {
    const markup none = {start, NOTHING};
    if (start + 2 >= n) return none;
    if (text[start + 1] == '#') {
        if ((text[start + 2] | 0x20) == 'x') return read_number(text, start, start + 3, n, 16, 6, tables);
        return read_number(text, start, start + 2, n, 10, 7, tables);
    }
    if (!is_letter(text[start + 1])) return none;
    uint64_t name;
    int64_t end = read_name(text, start + 1, n, false, &name);
    if (end < start + 3) return none;
    if (end == n || text[end] != ';') return read_open_name(text, start, end, tables);
    int64_t place = find(tables->names, name);
    return place >= 0 ? (markup){end + 1, tables->codes.at[place]} : (markup){IS_LEFT, NOTHING};
}

/* Write a text without the markup that it shows; return its length, IS_LEFT if it is left. */
static int64_t unwrap_once(const uint8_t *text, int64_t n, const markup_tables *tables, uint8_t *other) {
    int64_t to = 0, at = 0;
    while (at < n) {
        markup found = {at, NOTHING};
        if (text[at] == '<')
            found = read_tag(text, at, n, tables);
        else if (text[at] == '&')
            found = read_entity(text, at, n, tables);
        if (found.end == IS_LEFT) return IS_LEFT;
        if (found.end == at) {
            other[to++] = text[at++];
            continue;
        }
        if (found.code != NOTHING) to = put_letter(found.code, other, to);
        at = found.end;
    }
    return to;
}

/* Write a text without markup; return its length, -1 if it is left to the plain function. Both arrays have room for
   the text as it is. */
int64_t unwrap(const uint8_t *data, int64_t start, int64_t end, const markup_tables *tables, uint8_t *text,
               uint8_t *other) {
    int64_t n = end - start;
    memcpy(text, data + start, (size_t)n);
    if (may_hold_escapes(text, n)) return IS_LEFT;
    for (int i = 0; i < MOST_UNWRAPS; i++) {
        int64_t shorter = unwrap_once(text, n, tables, other);
        if (shorter == IS_LEFT || may_hold_escapes(other, shorter)) return IS_LEFT;
        bool is_same = shorter == n && memcmp(text, other, (size_t)n) == 0;
        memcpy(text, other, (size_t)shorter);
        n = shorter;
        if (is_same) break;
    }
    return n;
}
