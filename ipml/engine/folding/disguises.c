/* Count the words that hide what they say in many texts, as `ipml.features.normalisation.count_disguises` does in each.

   Texts that need a look around a character (joiners, flags, full-width letters beside Chinese) are few, and left to
   the plain function; so are those in which something seems to hide, but Cyrillic after a digit may be a unit. */
#include "folding/disguises.h"

#include "base/letters.h"

enum { OTHER, ASCII, INVISIBLE, STYLED, LOOK_ALIKE, BETWEEN, EAST_ASIAN, WIDE_LETTER, WIDE_SIGN, JOINED };

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
    to->n_styled += kind == STYLED || kind == WIDE_LETTER;
    to->n++;
}

static bool is_disguised(const word *read) {
    bool is_mixed = read->n_ascii > 0 && read->n_alike + read->n_styled > 0;
    return read->is_beyond_ascii && ((read->is_hidden && read->is_seen) || is_mixed || read->n_styled > 1);
}

/* Whether a letter may part the numbers of a size: x, or the Cyrillic one. */
static bool is_times(int64_t code) { return code == 'x' || code == 'X' || code == 0x445 || code == 0x425; }

static bool is_cyrillic(int64_t code) { return (0x400 <= code && code < 0x530) || (0x1C80 <= code && code < 0x1C90); }

static int64_t count_in(const uint8_t *data, int64_t start, int64_t end, int64_t most, const disguise_tables *tables) {
    int64_t n_disguised = 0, n_letters = 0;
    bool is_east_asian = false, is_full_width = false, is_after_digit = false, may_hold_unit = false;
    word read = {0};
    for (int64_t at = start; at < end && n_letters < most; at += size_of_letter(data[at]), n_letters++) {
        int64_t code = letter_at(data, at), page = tables->pages.at[code >> 8];
        if (page < 0) return COUNT_IS_MISSING;
        int kind = tables->kinds.at[page << 8 | (code & 0xFF)];
        if (kind == JOINED) return COUNT_IS_LEFT;
        if (is_after_digit) {
            may_hold_unit |= is_cyrillic(code);
            if (is_times(code)) kind = BETWEEN;
        }
        is_after_digit = '0' <= code && code <= '9';
        if (kind == BETWEEN) {
            n_disguised += is_disguised(&read);
            read = (word){0};
            continue;
        }
        is_east_asian |= kind == EAST_ASIAN;
        is_full_width |= kind == WIDE_LETTER || kind == WIDE_SIGN;
        add_letter(&read, kind, code);
    }
    n_disguised += is_disguised(&read);
    bool needs_a_look = (is_east_asian && is_full_width) || (n_disguised > 0 && may_hold_unit);
    return needs_a_look ? COUNT_IS_LEFT : n_disguised;
}

/* Count the words that hide what they say in the first letters of each text. */
EXPORT void count_disguised(texts raw, int64_t most, const disguise_tables *tables, int64s_out counts) {
    const int64_t *offsets = raw.offsets.at;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        uint8_t every = 0;
        for (int64_t at = offsets[row]; at < offsets[row + 1]; at++) every |= raw.data.at[at];
        bool is_ascii = every < 0x80;
        counts.at[row] = is_ascii ? 0 : count_in(raw.data.at, offsets[row], offsets[row + 1], most, tables);
    }
}
