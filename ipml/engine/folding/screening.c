/* Fold ASCII texts at once, and see on the way whether any disguise may have to be undone.

   What single letters stand in a row is followed by a small automaton over spaces, letters, digits and signs. It never
   misses what `close_up` closes up; what it finds may turn out to be no disguise. */
#include "folding/steps.h"

/* The kinds of characters, which the automaton follows. */
enum { KIND_SPACE, KIND_LETTER, KIND_DIGIT, KIND_OTHER, N_KINDS };

/* What stands in a pair above the byte that it folds to. The bit after that of a letter again says that the same letter
   came before, too; the bit after that of a beginning word, that a word ends which began there. */
enum { IS_HELD = 1 << 12, IS_ALONE = 1 << 14, TO_REASONS = 6, TO_WRITTEN = 15 };

static bool ends_in_last(uint16s next, uint64_t state) { return next.at[state] == next.n - N_KINDS; }

/* Whether letters may be apart in a text: never where there is no more than one that stands alone. */
static bool may_be_apart_in(const screening_tables *tables, const uint8_t *data, int64_t start, int64_t end) {
    const uint16_t *next = tables->next.at;
    const uint8_t *kinds = tables->kinds.at;
    uint64_t state = 0;
    for (int64_t at = start; at < end; at++) state = next[state | kinds[data[at]]];
    return ends_in_last(tables->next, state);
}

int64_t fold_ascii(const screening_tables *tables, const uint8_t *data, int64_t start, int64_t end, uint8_t *folded,
                   int64_t first, int64_t *why) {
    const uint16_t *pairs = tables->pairs.at;
    uint32_t seen = 0, once = 0, twice = 0, pair = 0, byte = ' ';
    uint8_t *to = folded + first;
    for (int64_t at = start; at < end; at++) {
        uint32_t before = byte, pair_before = pair;
        byte = data[at];
        pair = pairs[before << 8 | byte];
        seen |= pair;
        uint32_t both = pair_before << 1 & pair;
        twice |= once & both;
        once |= both;
        *to = (uint8_t)pair;
        to += pair >> TO_WRITTEN;
    }
    twice |= once & pair << 1;
    *why = seen >> TO_REASONS & (HAS_SIGN | HAS_MARKUP | HAS_CONTROL);
    if (once & IS_HELD) *why |= IS_HELD_DOWN;
    if (twice & IS_ALONE && may_be_apart_in(tables, data, start, end)) *why |= IS_APART;
    int64_t n = to - folded;
    return n > first && folded[n - 1] == ' ' ? n - 1 : n;
}

bool may_be_apart(const screening_tables *tables, const int64_t *text, int64_t n) {
    const uint16_t *next = tables->next.at;
    uint64_t state = 0;
    for (int64_t at = 0; at < n; at++) {
        int64_t flags = text[at], code = flags & CODE;
        uint64_t kind = flags & WORD && code != '_' ? KIND_LETTER : KIND_OTHER;
        kind = flags & DIGIT ? KIND_DIGIT : kind;
        kind = code == ' ' ? KIND_SPACE : kind;
        state = next[state | kind];
    }
    return ends_in_last(tables->next, state);
}
