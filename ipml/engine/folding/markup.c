/* Take markup and entities of HTML out of texts: the first step of `ipml.features.normalisation`.

   A text is its bytes. Few are left to the plain function: those with letters beyond ASCII at the name of a tag, in a
   tag within a word, or where an escape may be a number. */
#include "folding/markup.h"

#include "base/letters.h"
#include "folding/escapes.h"
#include "folding/reading.h"

enum { MOST_UNWRAPS = 3, MOST_ZEROS = 40, MOST_IN_TAG = 500, MOST_IN_COMMENT = 2000 };
enum { LONGEST_NAME = 8 };
enum { UNREADABLE = 0xFFFD };
enum { IS_LEFT = -1 };

/* Markup that was read: where it ends, IS_LEFT if the text is left, and the characters that stand for it. */
typedef struct {
    int64_t end;
    int64_t code, other;
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

/* Read a tag or comment; it ends at its start if it is none. */
static markup read_tag(const uint8_t *text, int64_t start, int64_t n, const markup_tables *tables) {
    const markup none = {start, NOTHING, NOTHING};
    if (start + 3 < n && text[start + 1] == '!' && text[start + 2] == '-' && text[start + 3] == '-') {
        return (markup){end_of_comment(text, start, n), NOTHING, NOTHING};
    }
    int64_t begin = start + 1 + (start + 1 < n && text[start + 1] == '/');
    if (begin >= n || !is_letter(text[begin])) return none;
    uint64_t name;
    int64_t at = read_name(text, begin, n, true, &name);
    if (at < n && text[at] >= 0x80) return (markup){IS_LEFT, NOTHING, NOTHING};
    int64_t n_letters = at - begin - 1;
    for (; at < n && text[at] != '<' && text[at] != '>'; at++) n_letters += (text[at] & 0xC0) != 0x80;
    if (at == n || text[at] == '<' || n_letters > MOST_IN_TAG) return none;
    return (markup){at + 1, holds(tables->breaking, name) ? ' ' : NOTHING, NOTHING};
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
    if (at == first) return (markup){start, NOTHING, NOTHING};
    bool is_closed = at < n && text[at] == ';';
    return (markup){at + is_closed, character_of(number, tables), NOTHING};
}

/* Read the longest name at the start of a word that needs no semicolon, as browsers do. */
static markup read_open_name(const uint8_t *text, int64_t start, int64_t end, const markup_tables *tables) {
    for (int64_t last = min_of(end, start + 1 + LONGEST_NAME); last > start + 2; last--) {
        uint64_t name;
        read_name(text, start + 1, last, false, &name);
        int64_t place = find(tables->open_names, name);
        if (place >= 0) return (markup){last, tables->open_codes.at[place], NOTHING};
    }
    return (markup){start, NOTHING, NOTHING};
}

/* The place of a name with a semicolon among others in order, -1 if it is not there. */
static int64_t find_closed(const uint8_t *name, int64_t size, texts names) {
    int64_t low = 0, high = names.offsets.n - 1;
    while (low < high) {
        int64_t middle = (low + high) / 2, at = names.offsets.at[middle];
        int64_t size_of_middle = names.offsets.at[middle + 1] - at;
        int order = memcmp(names.data.at + at, name, (size_t)min_of(size, size_of_middle));
        if (order == 0 && size == size_of_middle) return middle;
        if (order < 0 || (order == 0 && size_of_middle < size)) low = middle + 1;
        else high = middle;
    }
    return -1;
}

/* Read an entity; it ends at its start if it is none. */
static markup read_entity(const uint8_t *text, int64_t start, int64_t n, const markup_tables *tables) {
    const markup none = {start, NOTHING, NOTHING};
    if (start + 2 >= n) return none;
    if (text[start + 1] == '#') {
        if ((text[start + 2] | 0x20) == 'x') return read_number(text, start, start + 3, n, 16, 6, tables);
        return read_number(text, start, start + 2, n, 10, 7, tables);
    }
    if (!is_letter(text[start + 1])) return none;
    uint64_t name;
    int64_t end = read_name(text, start + 1, n, false, &name);
    if (end < start + 3) return none;
    int64_t place = -1;
    if (end < n && text[end] == ';') place = find_closed(text + start + 1, end - start - 1, tables->names);
    if (place < 0) return read_open_name(text, start, end, tables);
    return (markup){end + 1, tables->codes.at[2 * place], tables->codes.at[2 * place + 1]};
}

/* Write a text without the markup that it shows; return its length, IS_LEFT if it is left. */
static int64_t unwrap_once(const uint8_t *text, int64_t n, const markup_tables *tables, uint8_t *other) {
    int64_t to = 0, at = 0;
    while (at < n) {
        markup found = {at, NOTHING, NOTHING};
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
        if (found.other != NOTHING) to = put_letter(found.other, other, to);
        at = found.end;
    }
    return to;
}

/* Words that a tag hides */

enum { MOST_IN_HIDING_TAG = 300, MOST_BESIDE_STYLE = 100, MOST_HIDDEN = 40, MOST_SPACES = 9 };

static bool is_white(int64_t code) {
    return (9 <= code && code <= 13) || (0x1C <= code && code <= 0x20) || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (0x2000 <= code && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
           code == 0x202F || code == 0x205F || code == 0x3000;
}

/* The end of a name, whatever its case, at a place; 0 if another one stands there. */
static int64_t end_of_name(const uint8_t *text, int64_t at, int64_t n, const char *name) {
    for (; *name != 0; name++, at++) {
        bool is_same = at < n && (is_letter(text[at]) ? text[at] | 0x20 : text[at]) == (uint8_t)*name;
        if (!is_same) return 0;
    }
    return at;
}

static int64_t skip_spaces(const uint8_t *text, int64_t at, int64_t n) {
    int64_t most = min_of(n, at + MOST_SPACES);
    while (at < most && is_white(text[at])) at++;
    return at;
}

/* The end of a style at a place in a tag that shows nothing of what it holds; 0 if there is none. */
static int64_t end_of_style(const uint8_t *text, int64_t at, int64_t n) {
    static const char *const styles[][2] = {
        {"display", "none"}, {"visibility", "hidden"}, {"font-size", "0"}, {"opacity", "0"}};
    int64_t end = end_of_name(text, at, n, "hidden");
    if (end > 0 && !is_ascii_word(text[at - 1]) && (end == n || !is_ascii_word(text[end]))) return end;
    for (int i = 0; i < 4; i++) {
        end = end_of_name(text, at, n, styles[i][0]);
        if (end == 0) continue;
        end = skip_spaces(text, end, n);
        if (end < n && text[end] == ':') return end_of_name(text, skip_spaces(text, end + 1, n), n, styles[i][1]);
    }
    return 0;
}

/* Whether a tag hides what it holds, by what stands after its name. */
static bool hides(const uint8_t *text, int64_t start, int64_t end) {
    for (int64_t at = start; at <= start + MOST_BESIDE_STYLE && at < end; at++) {
        int64_t after = end_of_style(text, at, end);
        if (after > 0 && end - after <= MOST_BESIDE_STYLE) return true;
    }
    return false;
}

/* The end of what is hidden in a word by the tag that begins here: of the tag that closes it; 0 if nothing is, IS_LEFT
   if the tag has letters beyond ASCII, some of which are letters of its names in another case. */
static int64_t end_of_hidden(const uint8_t *text, int64_t start, int64_t n, uint64s hiding) {
    int64_t before = letter_before(text, start, 0);
    if (start == 0 || before == '>' || is_white(before)) return 0;
    uint64_t name;
    int64_t end_of_tag = read_name(text, start + 1, n, true, &name), size = end_of_tag - start - 1, at = end_of_tag;
    bool is_beyond = at < n && text[at] >= 0x80;
    if (!holds(hiding, name) && !is_beyond) return 0;
    for (; at < n && text[at] != '<' && text[at] != '>'; at++) is_beyond |= text[at] >= 0x80;
    if (at == n || text[at] == '<') return 0;
    if (is_beyond) return IS_LEFT;
    if (at - end_of_tag > MOST_IN_HIDING_TAG || !hides(text, end_of_tag, at)) return 0;
    int64_t n_letters = 0;
    for (at++; at < n && text[at] != '<' && text[at] != '>'; at++) n_letters += (text[at] & 0xC0) != 0x80;
    if (n_letters > MOST_HIDDEN || at + size + 3 >= n || text[at] != '<' || text[at + 1] != '/') return 0;
    for (int64_t i = 0; i < size; i++)
        if ((text[at + 2 + i] ^ text[start + 1 + i]) & ~0x20) return 0;
    int64_t end = at + size + 3;
    return text[end - 1] != '>' || text[end] == '<' || is_white(letter_at(text, end)) ? 0 : end;
}

/* Drop what is hidden in words, in place; return the length, IS_LEFT if the text is left. */
static int64_t drop_hidden(uint8_t *text, int64_t n, uint64s hiding) {
    int64_t to = 0;
    for (int64_t at = 0; at < n;) {
        int64_t end = text[at] == '<' ? end_of_hidden(text, at, n, hiding) : 0;
        if (end == IS_LEFT) return IS_LEFT;
        if (end == 0) text[to++] = text[at++];
        else at = end;
    }
    return to;
}

/* Write a text without markup; return its length, -1 if it is left to the plain function. Both arrays have room for
   the text as it is, and a quarter more, since two entities are longer than their names. */
int64_t unwrap(const uint8_t *data, int64_t start, int64_t end, const markup_tables *tables, uint8_t *text,
               uint8_t *other) {
    int64_t n = end - start;
    memcpy(text, data + start, (size_t)n);
    for (int i = 0; i < MOST_UNWRAPS; i++) {
        int64_t seen = drop_hidden(text, n, tables->hiding);
        int64_t shown = seen == IS_LEFT ? IS_LEFT : unwrap_once(text, seen, tables, other);
        if (shown == IS_LEFT) return IS_LEFT;
        bool is_same = seen == n && shown == n && memcmp(text, other, (size_t)n) == 0;
        n = read_escapes(other, shown, text);
        if (n < 0) return IS_LEFT;
        if (is_same && n == shown) break;
    }
    return n;
}
