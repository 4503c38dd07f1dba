/* Walk texts through the trie of phrases, in three steps: write their skeletons without gaps and where words may
   begin, choose the walks that may lead anywhere, and follow them through the trie. */
#include "phrases/walks.h"

#include "phrases/skeletons.h"

enum { NO_GAP = 2, TO_STARTS = 14 };

/* Write the skeleton of a text and its walks; return where they end. It is -1 for a text of other letters than ASCII or
   with a word of one letter only: it is left out. There are no branches in the loop, since it cannot be foretold where
   words begin. */
static int64_t squash_plain(const uint8_t *text, int64_t size, const uint16_t *pairs, const chunk *to, int64_t place) {
    uint8_t *squashed = to->squashed;
    int32_t *origins = to->origins;
    int64_t *walks = to->walks;
    int64_t n = place, m = place;
    uint64_t byte = BREAK, flags = AFTER_APART;
    uint64_t is_open = 0, is_other = 0; /* in the bit of AGAIN: whether all of a word is one letter, if repeated */
    for (int64_t at = 0; at < size; at++) {
        uint64_t before = byte, flags_before = flags;
        byte = text[at];
        flags = pairs[before << 8 | byte];
        is_other |= (is_open & flags >> APART_TO_AGAIN) | (flags & BEYOND);
        is_open = (is_open | flags_before >> AFTER_APART_TO_AGAIN) & flags;
        squashed[n] = (uint8_t)flags;
        origins[n] = (int32_t)at;
        walks[m] = n << 1 | 1;
        n += (int64_t)(flags >> TO_WRITTEN);
        m += (int64_t)(flags >> TO_STARTS & 1);
    }
    squashed[n] = BREAK;
    origins[n] = (int32_t)size;
    return (is_other | is_open) & (AGAIN | BEYOND) ? -1 : m;
}

/* Return the end of letters that are one bone, from the second of them on. */
static int64_t end_of_repeats(const uint8_t *data, int64_t at, int64_t end, int64_t bone, uint8s bones) {
    while (at < end && bone_at(data, at, bones) == bone) at += size_of_letter(data[at]);
    return at;
}

/* Do what `squash_plain` does, for any text. Repeats of a letter are dropped, but for those of a word of one letter. */
static int64_t squash_other(const uint8_t *text, int64_t size, const phrase_tables *tables, const chunk *to,
                            int64_t place) {
    int64_t n = place, m = place, at = 0, kept = 0;
    int64_t before = BREAK, previous = BREAK;
    bool was_apart = true;
    while (at < size) {
        uint8_t byte = text[at];
        int64_t bone = bone_at(text, at, tables->bones);
        if (bone == previous && at >= kept && is_word_letter(tables->kinds, bone)) {
            kept = end_of_repeats(text, at + size_of_letter(byte), size, bone, tables->bones);
            int64_t following = letter_after(text, kept, size);
            if (is_kind(tables->kinds, before, ALNUM) || is_kind(tables->kinds, following, ALNUM)) {
                at = kept;
                before = previous;
                continue;
            }
        }
        bool apart = is_apart(tables->kinds, bone);
        bool is_bone = byte >= 0x80 || (tables->classes.at[byte] & NO_GAP);
        to->walks[m] = n << 1 | 1;
        m += is_bone && (apart || was_apart);
        for (int64_t after = at + size_of_letter(byte); at < after; at++) {
            to->squashed[n] = byte < 0x80 ? (uint8_t)bone : text[at];
            to->origins[n] = (int32_t)at;
            n += is_bone;
        }
        before = previous;
        previous = bone;
        was_apart = apart;
    }
    to->squashed[n] = BREAK;
    to->origins[n] = (int32_t)size;
    return m;
}

static void squash_texts(texts folded, const phrase_tables *tables, chunk *some) {
    for (int64_t row = some->first; row < some->last; row++) {
        int64_t start = folded.offsets.at[row], size = folded.offsets.at[row + 1] - start;
        int64_t place = place_of_skeleton(some, folded, row);
        int64_t end = squash_plain(folded.data.at + start, size, tables->pairs.at, some, place);
        if (end < 0) end = squash_other(folded.data.at + start, size, tables, some, place);
        some->walk_ends[row - some->first] = end;
    }
}

/* Whether a word of the trie may begin at a byte, by the last five bits of the four bytes from there on. */
static inline bool may_lead(const uint8_t *beginnings, const uint8_t *squashed) {
    uint32_t number = (squashed[0] & 31u) << 15 | (squashed[1] & 31u) << 10 | (squashed[2] & 31u) << 5
                      | (squashed[3] & 31u);
    return beginnings[number >> 3] >> (number & 7) & 1;
}

static int64_t count_letters(const uint8_t *data, int64_t start, int64_t end) {
    int64_t n = 0;
    for (int64_t at = start; at < end; at++) n += begins_letter(data[at]);
    return n;
}

/* Let walks also start within joined words of a text, from each letter at which no word begins; return where they
   end. */
static int64_t start_within(texts folded, const phrase_tables *tables, chunk *some, int64_t row, int64_t m) {
    const uint8_t *data = folded.data.at;
    int64_t start = folded.offsets.at[row], end = folded.offsets.at[row + 1];
    int64_t bone = place_of_skeleton(some, folded, row), most = bone + end - start;
    for (int64_t word = start, after; word < end; word = after + 1) {
        after = word;
        while (after < end && !is_between(data[after])) after++;
        if (after - word < LEAST_JOINED || count_letters(data, word, after) < LEAST_JOINED) continue;
        while (start + some->origins[bone] < word) bone++;
        for (; start + some->origins[bone] < after; bone++) {
            const uint8_t *squashed = some->squashed + bone;
            if (!may_lead(tables->beginnings.at, squashed) || !begins_letter(*squashed)) continue;
            if (is_boundary(data, tables->kinds, start, start + some->origins[bone], end)) continue;
            if (m < most) some->walks[m++] = bone << 1;
        }
    }
    return m;
}

/* Keep the walks that may lead anywhere, which are few; add those within joined words. */
static void choose_walks(texts folded, const phrase_tables *tables, chunk *some) {
    for (int64_t row = some->first; row < some->last; row++) {
        int64_t start = folded.offsets.at[row], end = folded.offsets.at[row + 1];
        const uint8_t *text = folded.data.at + start;
        int64_t place = place_of_skeleton(some, folded, row), m = place;
        int64_t word = 0, longest = 0; /* where the last word after a space begins, and how long any may be */
        for (int64_t i = place; i < some->walk_ends[row - some->first]; i++) {
            int64_t walk = some->walks[i], origin = some->origins[walk >> 1];
            bool begins = text[max_of(origin - 1, 0)] == GAP;
            longest = max_of(longest, origin - word);
            word = begins ? origin : word;
            some->walks[m] = walk;
            m += may_lead(tables->beginnings.at, some->squashed + (walk >> 1));
        }
        if (max_of(longest, end - start - word) >= LEAST_JOINED) m = start_within(folded, tables, some, row, m);
        some->walk_ends[row - some->first] = m;
    }
}

/* Write which words of the trie end on a walk; return how many meetings there are now. */
static inline int64_t follow(const phrase_tables *tables, const chunk *some, int64_t walk, int64_t n) {
    int64_t at = walk >> 1, place = 0;
    int64_t cell = tables->cells.at[0];
    for (uint8_t byte = some->squashed[at]; byte != BREAK; byte = some->squashed[++at]) {
        int64_t following = (cell & TRIE_BASE) + byte;
        cell = tables->cells.at[following];
        if (cell >> TRIE_PARENT != place) return n;
        place = following;
        if (cell & TRIE_WORD) some->met[n++] = (meeting){walk, at, tables->words.at[place]};
    }
    return n;
}

void walk_texts(texts folded, const phrase_tables *tables, chunk *some) {
    squash_texts(folded, tables, some);
    choose_walks(folded, tables, some);
    int64_t n = some->met_starts[0] = 0;
    for (int64_t row = some->first; row < some->last; row++) {
        int64_t first = place_of_skeleton(some, folded, row), end = some->walk_ends[row - some->first];
        for (int64_t i = first; i < end; i++) n = follow(tables, some, some->walks[i], n);
        some->met_starts[row - some->first + 1] = n;
    }
}
