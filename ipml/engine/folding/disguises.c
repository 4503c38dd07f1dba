/* Count the words that hide what they say in many texts, as `ipml.features.normalisation.count_disguises` does in each:
   most are ASCII and hide nothing; of another, what is no part of its words is taken out step by step. */
#include "folding/disguises.h"

#include "base/letters.h"
#include "base/texts.h"

enum { OTHER, ASCII, INVISIBLE, STYLED, LOOK_ALIKE, BETWEEN, KIND = 7, IN_WORD = 8 };
enum { FIRST_FLAG = 0x1F1E6, LAST_FLAG = 0x1F1FF, FIRST_WIDE = 0xFF01, LAST_WIDE = 0xFF5E, FROM_WIDE = 0xFEE0 };

/* A word up to some letter of it. */
typedef struct {
    int64_t n;
    int64_t n_ascii;
    int64_t n_alike;
    int64_t n_styled;
    bool is_beyond_ascii;
    bool is_hidden; /* something without a width stands in it */
    bool is_seen;
    bool was_invisible;
} word;

static void add_letter(word *to, int kind, int64_t code) {
    to->is_hidden |= to->was_invisible;
    to->was_invisible = kind == INVISIBLE && to->n > 0;
    to->is_seen |= kind != INVISIBLE;
    to->is_beyond_ascii |= code >= 0x80;
    to->n_ascii += kind == ASCII;
    to->n_alike += kind == LOOK_ALIKE;
    to->n_styled += kind == STYLED;
    to->n++;
}

static bool is_disguised(const word *read) {
    bool is_mixed = read->n_ascii > 0 && read->n_alike + read->n_styled > 0;
    return read->is_beyond_ascii && ((read->is_hidden && read->is_seen) || is_mixed || read->n_styled > 1);
}

static int entry_of(int64_t code, const disguise_tables *tables) {
    int64_t page = tables->pages.at[code >> 8];
    return tables->kinds.at[page << 8 | (code & 0xFF)];
}

/* Write the characters of a text; return how many, or COUNT_IS_MISSING. */
static int64_t read_characters(const uint8_t *data, int64_t start, int64_t end, const disguise_tables *tables,
                               int64_t *text) {
    int64_t n = 0;
    for (int64_t at = start; at < end; at += size_of_letter(data[at])) {
        text[n] = letter_at(data, at);
        if (tables->pages.at[text[n++] >> 8] < 0) return COUNT_IS_MISSING;
    }
    return n;
}

static bool is_east_asian(int64_t code) {
    return (0x3040 <= code && code < 0x3100) || (0x3400 <= code && code < 0xA000);
}

/* Read full-width letters as narrow ones where they stand beside Chinese or Japanese. */
static void read_wide(int64_t *text, int64_t n) {
    bool is_east = false;
    for (int64_t at = 0; at < n; at++) is_east |= is_east_asian(text[at]);
    for (int64_t at = 0; at < n && is_east; at++)
        if (FIRST_WIDE <= text[at] && text[at] <= LAST_WIDE) text[at] -= FROM_WIDE;
}

/* Whether a joiner may stand beside a letter: of Persian, Hindi and other scripts up to U+1FFF, or a symbol. */
static bool is_joined(int64_t code) {
    return (0x600 <= code && code < 0x2000) || (0x2190 <= code && code < 0x1FB00);
}

/* Drop the joiners by which scripts and emoji are written; return the length. */
static int64_t drop_joiners(int64_t *text, int64_t n) {
    int64_t to = 0, before = 0;
    for (int64_t at = 0; at < n; at++) {
        int64_t code = text[at];
        bool is_dropped = (code == 0x200C || code == 0x200D) && is_joined(before) && at + 1 < n && is_joined(text[at + 1]);
        if (!is_dropped) text[to++] = code;
        before = code;
    }
    return to;
}

/* A Cyrillic letter in lower case, also one of another shape; other letters of units are lower already. */
static int64_t lower_cyrillic(int64_t code) {
    static const int64_t others[] = {0x432, 0x434, 0x43E, 0x441, 0x442, 0x442}; /* those of U+1C80 and after */
    if (0x410 <= code && code < 0x430) return code + 0x20;
    return 0x1C80 <= code && code < 0x1C86 ? others[code - 0x1C80] : code;
}

/* Whether a word is a unit, or begins with the last of the units. */
static bool is_unit(const int64_t *text, int64_t n, texts units) {
    for (int64_t unit = 0; unit + 1 < units.offsets.n; unit++) {
        int64_t at = units.offsets.at[unit], end = units.offsets.at[unit + 1], n_same = 0;
        while (n_same < n && at < end && lower_cyrillic(text[n_same]) == letter_at(units.data.at, at)) {
            at += size_of_letter(units.data.at[at]);
            n_same++;
        }
        if (at == end && (n_same == n || unit + 2 == units.offsets.n)) return true;
    }
    return false;
}

/* Write spaces for units of sizes after digits, which stick to Latin letters in "120x4см", and for the letter between
   two numbers: x, or the Cyrillic one. */
static void part_sizes(int64_t *text, int64_t n, const disguise_tables *tables) {
    for (int64_t at = 1; at < n; at++) {
        if (text[at - 1] < '0' || text[at - 1] > '9') continue;
        int64_t lowered = lower_cyrillic(text[at]), end = at;
        if (text[at] == 'x' || text[at] == 'X' || lowered == 0x445) {
            text[at] = ' ';
            continue;
        }
        while (end < n && entry_of(text[end], tables) & IN_WORD) end++;
        if (end == at || !is_unit(text + at, end - at, tables->units)) continue;
        for (; at < end; at++) text[at] = ' ';
    }
}

/* Where letters that make flags end; a pair of them is one flag. */
static int64_t end_of_flags(const int64_t *text, int64_t at, int64_t n) {
    while (at < n && FIRST_FLAG <= text[at] && text[at] <= LAST_FLAG) at++;
    return at;
}

static int64_t count_in(const int64_t *text, int64_t n, const disguise_tables *tables) {
    int64_t n_disguised = 0, end_of_flag = 0; /* no flag begins before */
    word read = {0};
    for (int64_t at = 0; at < n; at++) {
        int kind = entry_of(text[at], tables) & KIND;
        if (at >= end_of_flag) {
            end_of_flag = end_of_flags(text, at, n);
            if (end_of_flag - at == 2) kind = BETWEEN, at++;
        }
        if (kind == BETWEEN) {
            n_disguised += is_disguised(&read);
            read = (word){0};
        } else {
            add_letter(&read, kind, text[at]);
        }
    }
    return n_disguised + is_disguised(&read);
}

/* Count them in a text; there is room for its characters. */
static int64_t count_in_text(const uint8_t *data, int64_t start, int64_t end, const disguise_tables *tables,
                             int64_t *text) {
    int64_t n = read_characters(data, start, end, tables, text);
    if (n < 0) return COUNT_IS_MISSING;
    read_wide(text, n);
    n = drop_joiners(text, n);
    part_sizes(text, n, tables);
    return count_in(text, n, tables);
}

static bool is_ascii(const uint8_t *data, int64_t start, int64_t end) {
    uint8_t every = 0;
    for (int64_t at = start; at < end; at++) every |= data[at];
    return every < 0x80;
}

EXPORT int64_t count_disguised(texts raw, int64_t most, const disguise_tables *tables, int64s_out counts) {
    const int64_t *offsets = raw.offsets.at;
    int64_t *text = NULL;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        counts.at[row] = 0;
        if (is_ascii(raw.data.at, offsets[row], offsets[row + 1])) continue;
        if (text == NULL) text = malloc((size_t)longest_text(raw) * sizeof *text);
        if (text == NULL) return -1;
        int64_t end = end_of_letters(raw.data.at, offsets[row], offsets[row + 1], most);
        counts.at[row] = count_in_text(raw.data.at, offsets[row], end, tables, text);
    }
    free(text);
    return 0;
}
