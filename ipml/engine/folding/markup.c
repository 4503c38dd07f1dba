/* Take markup, entities of HTML and escapes out of texts: the first step of folding. A text is its bytes. */
#include "folding/steps.h"

#include "base/letters.h"

enum { MOST_UNWRAPS = 3, MOST_ZEROS = 40, MOST_IN_TAG = 500, MOST_IN_COMMENT = 2000 };
enum { LONGEST_NAME = 8 };
enum { UNREADABLE = 0xFFFD };
enum { DOTTED_CAPITAL_I = 0x130, DOTLESS_I = 0x131, LONG_S = 0x17F };

/* Markup that was read: its end, and the characters that replace it. */
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
static int64_t read_name(const uint8_t *text, int64_t start, int64_t n, uint64_t *name) {
    uint64_t read = 0;
    int64_t at = start;
    for (; at < n && is_ascii_word(text[at]); at++)
        if (at - start < LONGEST_NAME) read |= (uint64_t)text[at] << 8 * (at - start);
    *name = at - start <= LONGEST_NAME ? read : 0;
    return at;
}

/* The letter at a byte in lower case, as far as names of tags are concerned. */
static int64_t lower_letter_at(const uint8_t *text, int64_t at) {
    int64_t code = letter_at(text, at);
    if (code < 0x80) return is_letter((uint8_t)code) ? code | 0x20 : code;
    return code == DOTTED_CAPITAL_I ? 'i' : code;
}

/* The letter as which another case of it is read in a name. */
static int64_t small_letter_at(const uint8_t *text, int64_t at) {
    int64_t code = lower_letter_at(text, at);
    return code == DOTLESS_I ? 'i' : code == LONG_S ? 's' : code;
}

static bool is_word(int64_t code, const characters *known) {
    return code < 0x80 ? is_ascii_word((uint8_t)code) : (look_up(code, ITSELF, known) & WORD) != 0;
}

static bool is_white(int64_t code, const characters *known) { return (look_up(code, LOWER, known) & CODE) == ' '; }

/* Read the name of a tag, which is a word; return its end. It is 0 if it is too long, or no name of ASCII. */
static int64_t read_tag_name(const uint8_t *text, int64_t start, int64_t n, const characters *known, uint64_t *name) {
    uint64_t read = 0;
    int64_t at = start, size = 0;
    bool is_plain = true;
    for (; at < n; at += size_of_letter(text[at]), size++) {
        int64_t code = small_letter_at(text, at);
        if (!is_word(code, known)) break;
        is_plain = is_plain && code < 0x80;
        if (is_plain && size < LONGEST_NAME) read |= (uint64_t)code << 8 * size;
    }
    *name = is_plain && size <= LONGEST_NAME ? read : 0;
    return at;
}

/* Where the next bracket of a tag stands; the end if none does. */
static int64_t find_bracket(const uint8_t *text, int64_t at, int64_t n) {
    while (at < n && text[at] != '<' && text[at] != '>') at++;
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
    int64_t place = find_above((const int64_t *)names.at, 0, names.n, (int64_t)name - 1); /* of ASCII, so positive */
    return place < names.n && names.at[place] == name ? place : -1;
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

/* Read a tag or comment; other text ends at its start. */
static markup read_tag(const uint8_t *text, int64_t start, int64_t n, const characters *known,
                       const markup_tables *tables) {
    const markup none = {start, NOTHING, NOTHING};
    if (start + 3 < n && text[start + 1] == '!' && text[start + 2] == '-' && text[start + 3] == '-') {
        return (markup){end_of_comment(text, start, n), NOTHING, NOTHING};
    }
    int64_t begin = start + 1 + (start + 1 < n && text[start + 1] == '/');
    if (begin >= n || !is_letter(text[begin])) return none;
    int64_t at = find_bracket(text, begin, n);
    if (at == n || text[at] == '<' || count_letters_between(text, begin + 1, at) > MOST_IN_TAG) return none;
    uint64_t name;
    read_tag_name(text, begin, at, known, &name);
    return (markup){at + 1, holds(tables->breaking, name) ? ' ' : NOTHING, NOTHING};
}

/* Return the character with a number, as browsers read it. */
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
        read_name(text, start + 1, last, &name);
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

/* Read an entity; other text ends at its start. */
static markup read_entity(const uint8_t *text, int64_t start, int64_t n, const markup_tables *tables) {
    const markup none = {start, NOTHING, NOTHING};
    if (start + 2 >= n) return none;
    if (text[start + 1] == '#') {
        if ((text[start + 2] | 0x20) == 'x') return read_number(text, start, start + 3, n, 16, 6, tables);
        return read_number(text, start, start + 2, n, 10, 7, tables);
    }
    if (!is_letter(text[start + 1])) return none;
    uint64_t name;
    int64_t end = read_name(text, start + 1, n, &name);
    if (end < start + 3) return none;
    int64_t place = -1;
    if (end < n && text[end] == ';') place = find_closed(text + start + 1, end - start - 1, tables->names);
    if (place < 0) return read_open_name(text, start, end, tables);
    return (markup){end + 1, tables->codes.at[2 * place], tables->codes.at[2 * place + 1]};
}

static int64_t put_byte(const written_bytes *from, int64_t at, const written_bytes *into, int64_t to) {
    into->at[to] = from->at[at];
    if (from->places != NULL) into->places[to] = from->places[at];
    return to + 1;
}

/* Write the letter that replaces the text at a place. */
static int64_t put_read(int64_t code, const written_bytes *from, int64_t at, const written_bytes *into, int64_t to) {
    if (code == NOTHING) return to;
    int64_t end = put_letter(code, into->at, to);
    for (; to < end && from->places != NULL; to++) into->places[to] = from->places[at];
    return end;
}

/* Write a text without the markup that it shows; return its length. */
static int64_t unwrap_once(const written_bytes *text, int64_t n, const characters *known, const markup_tables *tables,
                           const written_bytes *into) {
    int64_t to = 0, at = 0;
    while (at < n) {
        markup found = {at, NOTHING, NOTHING};
        if (text->at[at] == '<')
            found = read_tag(text->at, at, n, known, tables);
        else if (text->at[at] == '&')
            found = read_entity(text->at, at, n, tables);
        if (found.end == at) {
            to = put_byte(text, at++, into, to);
            continue;
        }
        to = put_read(found.code, text, at, into, to);
        to = put_read(found.other, text, at, into, to);
        at = found.end;
    }
    return to;
}

/* Words that a tag hides */

enum { MOST_IN_HIDING_TAG = 300, MOST_BESIDE_STYLE = 100, MOST_HIDDEN = 40, MOST_SPACES = 9 };

/* The end of a name, whatever its case, at a place; 0 if another one stands there. */
static int64_t end_of_name(const uint8_t *text, int64_t at, int64_t n, const char *name) {
    for (; *name != 0; name++, at += size_of_letter(text[at]))
        if (at >= n || small_letter_at(text, at) != *name) return 0;
    return at;
}

static int64_t skip_spaces(const uint8_t *text, int64_t at, int64_t n, const characters *known) {
    for (int i = 0; i < MOST_SPACES && at < n && is_white(letter_at(text, at), known); i++)
        at += size_of_letter(text[at]);
    return at;
}

/* Return the end of a style, at a place in a tag, that hides the tag's content; 0 if there is none. */
static int64_t end_of_style(const uint8_t *text, int64_t at, int64_t n, const characters *known) {
    static const char *const styles[][2] = {
        {"display", "none"}, {"visibility", "hidden"}, {"font-size", "0"}, {"opacity", "0"}};
    int64_t end = end_of_name(text, at, n, "hidden");
    if (end > 0 && !is_word(letter_before(text, at, 0), known) && !is_word(letter_after(text, end, n), known))
        return end;
    for (int i = 0; i < 4; i++) {
        end = end_of_name(text, at, n, styles[i][0]);
        if (end == 0) continue;
        end = skip_spaces(text, end, n, known);
        if (end == n || text[end] != ':') return 0;
        return end_of_name(text, skip_spaces(text, end + 1, n, known), n, styles[i][1]);
    }
    return 0;
}

/* Whether a tag hides what it holds, by what stands after its name. */
static bool hides(const uint8_t *text, int64_t start, int64_t end, const characters *known) {
    int64_t at = start;
    for (int i = 0; i <= MOST_BESIDE_STYLE && at < end; i++) {
        int64_t after = end_of_style(text, at, end, known);
        if (after > 0 && count_letters_between(text, after, end) <= MOST_BESIDE_STYLE) return true;
        at += size_of_letter(text[at]);
    }
    return false;
}

/* The end of a tag that closes another, which has the same name in any case; 0 if another one stands there. */
static int64_t end_of_closing(const uint8_t *text, int64_t at, int64_t n, int64_t name, int64_t name_end) {
    if (at + 1 >= n || text[at] != '<' || text[at + 1] != '/') return 0;
    for (at += 2; name < name_end; name += size_of_letter(text[name]), at += size_of_letter(text[at])) {
        if (at >= n || lower_letter_at(text, name) != lower_letter_at(text, at)) return 0;
    }
    return at < n && text[at] == '>' ? at + 1 : 0;
}

/* The end of what is hidden in a word by the tag that begins here: of the tag that closes it; 0 if nothing is. */
static int64_t end_of_hidden(const uint8_t *text, int64_t start, int64_t n, const characters *known, uint64s hiding) {
    int64_t before = letter_before(text, start, 0);
    if (start == 0 || before == '>' || is_white(before, known)) return 0;
    uint64_t name;
    int64_t end_of_tag = read_tag_name(text, start + 1, n, known, &name);
    if (!holds(hiding, name)) return 0;
    int64_t at = find_bracket(text, end_of_tag, n);
    if (at == n || text[at] == '<' || count_letters_between(text, end_of_tag, at) > MOST_IN_HIDING_TAG) return 0;
    if (!hides(text, end_of_tag, at, known)) return 0;
    int64_t hidden = at + 1;
    at = find_bracket(text, hidden, n);
    if (count_letters_between(text, hidden, at) > MOST_HIDDEN) return 0;
    int64_t end = end_of_closing(text, at, n, start + 1, end_of_tag);
    return end == 0 || end == n || text[end] == '<' || is_white(letter_at(text, end), known) ? 0 : end;
}

/* Drop what is hidden in words, in place; return the length. */
static int64_t drop_hidden(const written_bytes *text, int64_t n, const characters *known, uint64s hiding) {
    int64_t to = 0;
    for (int64_t at = 0; at < n;) {
        int64_t end = text->at[at] == '<' ? end_of_hidden(text->at, at, n, known, hiding) : 0;
        if (end == 0) to = put_byte(text, at++, text, to);
        else at = end;
    }
    return to;
}

/* Escapes, as in addresses of pages (%72) or in JSON (\u0072) */

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

/* Whether only a text written in escapes holds the one that begins here. A percent sign after a number hardly begins any;
   in Turkish it stands before one. */
static bool is_telling(const uint8_t *text, int64_t at, int64_t n, const characters *known) {
    if (digits_of(text, at, n)) return true;
    if (!is_percent(text, at, n)) return false;
    uint8_t first = text[at + 1], before = at > 0 ? text[at - 1] : ' ';
    bool is_plain = '2' <= first && first <= '7';
    if (is_letter(before) && is_plain && (is_letter(text[at + 2]) || are_letters(text, at + 3, n, 1))) return true;
    if (first == '2' && text[at + 2] == '5' && value_at(text, at + 3, n, 2) >= 0) return true;
    bool begins_word = !is_letter(before) && is_plain && first >= '4' && are_letters(text, at + 3, n, 3);
    if (!begins_word && !is_percent(text, at + 3, n)) return false;
    return !(look_up(letter_before(text, at, 0), ITSELF, known) & DECIMAL);
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

/* Write the text of escaped bytes in a row, or the escapes if it is no text; move to their end. */
static int64_t read_bytes(const written_bytes *text, int64_t *at, int64_t n, const written_bytes *into, int64_t to) {
    int64_t start = *at, n_bytes = 0;
    for (; is_percent(text->at, *at, n); *at += 3)
        into->at[to + n_bytes++] = (uint8_t)value_at(text->at, *at + 1, n, 2);
    bool is_text = is_sound(into->at + to, n_bytes);
    for (int64_t i = 0, first = 0; is_text && text->places != NULL && i < n_bytes; i++) {
        if ((into->at[to + i] & 0xC0) != 0x80) first = i;
        into->places[to + i] = text->places[start + 3 * first];
    }
    if (is_text) return to + n_bytes;
    for (int64_t place = start; place < *at; place++) to = put_byte(text, place, into, to);
    return to;
}

/* Write a text with its escapes read, if it holds one that only a text written in escapes does; return its length. */
static int64_t read_escapes(const written_bytes *text, int64_t n, const characters *known, const written_bytes *into) {
    bool is_written_in_escapes = false;
    for (int64_t at = 0; at < n && !is_written_in_escapes; at++) {
        if (text->at[at] == '%' || text->at[at] == '\\') is_written_in_escapes = is_telling(text->at, at, n, known);
    }
    int64_t to = 0;
    for (int64_t at = 0; at < n;) {
        int64_t n_digits = is_written_in_escapes ? digits_of(text->at, at, n) : 0;
        if (n_digits > 0) {
            to = put_read(value_at(text->at, at + 2, n, n_digits), text, at, into, to);
            at += 2 + n_digits;
        } else if (is_written_in_escapes && is_percent(text->at, at, n)) {
            to = read_bytes(text, &at, n, into, to);
        } else {
            to = put_byte(text, at++, into, to);
        }
    }
    return to;
}

int64_t unwrap(const written_bytes *text, int64_t n, const characters *known, const markup_tables *tables,
               const written_bytes *other) {
    for (int i = 0; i < MOST_UNWRAPS; i++) {
        int64_t seen = drop_hidden(text, n, known, tables->hiding);
        int64_t shown = unwrap_once(text, seen, known, tables, other);
        bool is_same = seen == n && shown == n && memcmp(text->at, other->at, (size_t)n) == 0;
        n = read_escapes(other, shown, known, text);
        if (is_same && n == shown) break;
    }
    return n;
}
