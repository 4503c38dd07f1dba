/* Count the words that hide what they say: most texts have no letter that may hide anything; of another, what is no part
   of its words is taken out step by step. */
#include "folding/disguises.h"

#include "base/letters.h"
#include "base/texts.h"

/* A character is a number here: its code in the lowest bits, and above them its kind and what else the tables say of it,
   as that it may stand in a size ("10x20"), or counts by what stands beside it. */
enum { IS_OTHER, IS_ASCII, IS_INVISIBLE, IS_STYLED, IS_LOOK_ALIKE, IS_BETWEEN, KIND = 7 };
enum { IN_WORD = 8, EAST_ASIAN = 16, BY_COMPANY = 32, IN_SIZE = 64 };
enum { CODE_BITS = 21 };
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
    to->was_invisible = kind == IS_INVISIBLE && to->n > 0;
    to->is_seen |= kind != IS_INVISIBLE;
    to->is_beyond_ascii |= code >= 0x80;
    to->n_ascii += kind == IS_ASCII;
    to->n_alike += kind == IS_LOOK_ALIKE;
    to->n_styled += kind == IS_STYLED;
    to->n++;
}

static bool is_disguised(const word *read) {
    bool is_mixed = read->n_ascii > 0 && read->n_alike + read->n_styled > 0;
    return read->is_beyond_ascii && ((read->is_hidden && read->is_seen) || is_mixed || read->n_styled > 1);
}

static inline int32_t describe_kind(int64_t code, const characters *known) {
    return (int32_t)((look_up(code, LOWER, known) & ~CODE) | code);
}

static inline int32_t code_of(int32_t letter) { return letter & (int32_t)CODE; }

/* Write the characters of a text with their flags; return their number. */
static int64_t read_characters(const uint8_t *data, int64_t start, int64_t end, const characters *known,
                               int32_t *text, int32_t *said) {
    int64_t n = 0;
    int32_t every = 0;
    for (int64_t at = start; at < end; at += size_of_letter(data[at])) {
        every |= text[n++] = describe_kind(letter_at(data, at), known);
    }
    *said = every >> CODE_BITS;
    return n;
}

/* Read full-width letters as narrow ones, beside Chinese or Japanese. */
static void read_wide(int32_t *text, int64_t n, const characters *known) {
    for (int64_t at = 0; at < n; at++) {
        int32_t code = code_of(text[at]);
        if (FIRST_WIDE <= code && code <= LAST_WIDE) text[at] = describe_kind(code - FROM_WIDE, known);
    }
}

/* Whether a joiner may stand beside a letter: of Persian, Hindi and other scripts up to U+1FFF, or a symbol. */
static bool is_joined(int32_t code) {
    return (0x600 <= code && code < 0x2000) || (0x2190 <= code && code < 0x1FB00);
}

/* Drop the joiners by which scripts and emoji are written; return the length. */
static int64_t drop_joiners(int32_t *text, int64_t n) {
    int64_t to = 0;
    int32_t before = 0;
    for (int64_t at = 0; at < n; at++) {
        int32_t code = code_of(text[at]);
        bool is_joiner = code == 0x200C || code == 0x200D;
        if (!(is_joiner && is_joined(before) && at + 1 < n && is_joined(code_of(text[at + 1])))) text[to++] = text[at];
        before = code;
    }
    return to;
}

/* A Cyrillic letter in lower case, also one of another shape; other letters of units are lower already. */
static int32_t lower_cyrillic(int32_t code) {
    static const int32_t others[] = {0x432, 0x434, 0x43E, 0x441, 0x442, 0x442}; /* those of U+1C80 and after */
    if (0x410 <= code && code < 0x430) return code + 0x20;
    return 0x1C80 <= code && code < 0x1C86 ? others[code - 0x1C80] : code;
}

/* Whether a word is a unit, or begins with the last of the units. */
static bool is_unit(const int32_t *text, int64_t n, texts units) {
    for (int64_t unit = 0; unit + 1 < units.offsets.n; unit++) {
        int64_t at = units.offsets.at[unit], end = units.offsets.at[unit + 1], n_same = 0;
        while (n_same < n && at < end && lower_cyrillic(code_of(text[n_same])) == letter_at(units.data.at, at)) {
            at += size_of_letter(units.data.at[at]);
            n_same++;
        }
        if (at == end && (n_same == n || unit + 2 == units.offsets.n)) return true;
    }
    return false;
}

/* Write spaces for units of sizes after digits, which stick to Latin letters in "120x4см", and for the letter between
   two numbers: x, or the Cyrillic one. */
static void part_sizes(int32_t *text, int64_t n, const characters *known, texts units) {
    const int32_t space = describe_kind(' ', known);
    int32_t before = 0;
    for (int64_t at = 0; at < n; at++) {
        bool is_after_digit = '0' <= before && before <= '9';
        int64_t end = at + 1;
        before = code_of(text[at]);
        if (!is_after_digit || !(text[at] & IN_SIZE << CODE_BITS)) continue;
        bool is_times = before == 'x' || before == 'X' || lower_cyrillic(before) == 0x445;
        while (!is_times && end < n && text[end] & IN_WORD << CODE_BITS) end++;
        if (!is_times && !is_unit(text + at, end - at, units)) continue;
        for (; at < end; at++) text[at] = space;
        at--;
    }
}

/* Where letters that make flags end; a pair of them is one flag. */
static int64_t end_of_flags(const int32_t *text, int64_t at, int64_t n) {
    while (at < n && FIRST_FLAG <= code_of(text[at]) && code_of(text[at]) <= LAST_FLAG) at++;
    return at;
}

static void part_flags(int32_t *text, int64_t n, const characters *known) {
    for (int64_t at = 0, end; at < n; at = max_of(end, at + 1)) {
        end = end_of_flags(text, at, n);
        if (end - at == 2) text[at] = text[at + 1] = describe_kind(' ', known);
    }
}

static int64_t count_words(const int32_t *text, int64_t n) {
    int64_t n_disguised = 0;
    word read = {0};
    for (int64_t at = 0; at < n; at++) {
        int kind = text[at] >> CODE_BITS & KIND;
        if (kind == IS_BETWEEN) {
            n_disguised += is_disguised(&read);
            read = (word){0};
        } else {
            add_letter(&read, kind, code_of(text[at]));
        }
    }
    return n_disguised + is_disguised(&read);
}

/* Count them in a text; there is room for its characters. */
static int64_t count_in(const uint8_t *data, int64_t start, int64_t end, const characters *known, texts units,
                        int32_t *text) {
    int32_t said;
    int64_t n = read_characters(data, start, end, known, text, &said);
    if (said & BY_COMPANY && said & EAST_ASIAN) read_wide(text, n, known);
    if (said & BY_COMPANY) n = drop_joiners(text, n);
    if (said & IN_SIZE || (said & BY_COMPANY && said & EAST_ASIAN)) part_sizes(text, n, known, units);
    if (said & BY_COMPANY) part_flags(text, n, known);
    return count_words(text, n);
}

/* What each letter beyond ASCII in a text counts for, a bit for each kind. */
static int list_kinds(const uint8_t *data, int64_t start, int64_t end, const characters *known) {
    int kinds = 0;
    for (int64_t at = start; at < end; at += size_of_letter(data[at])) {
        if (data[at] < 0x80) continue;
        kinds |= 1 << (describe_kind(letter_at(data, at), known) >> CODE_BITS & KIND);
    }
    return kinds;
}

EXPORT outcome count_disguised(texts raw, int64_t most, const characters *known, texts units, int64s_out counts) {
    REQUIRE(are_texts(raw) && counts.n == n_rows(raw) && are_characters(known) && are_table_texts(units));
    const int hiding = 1 << IS_INVISIBLE | 1 << IS_STYLED | 1 << IS_LOOK_ALIKE;
    const int64_t *offsets = raw.offsets.at;
    int32_t *text = NULL;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        int64_t start = offsets[row], end = end_of_letters(raw.data.at, start, offsets[row + 1], most);
        counts.at[row] = 0;
        if (!(list_kinds(raw.data.at, start, end, known) & hiding)) continue;
        if (text == NULL) text = malloc((size_t)longest_text(raw) * sizeof *text);
        if (text == NULL) return OUT_OF_MEMORY;
        counts.at[row] = count_in(raw.data.at, start, end, known, units, text);
    }
    free(text);
    return 0;
}
