/* The skeletons of many texts at once, as `ipml.features.compiled.phrases` says what they are. */
#include "phrases/skeletons.h"

/* Write the skeleton of one text, and where each of its bytes comes from if that is asked for; return how many bytes
   there are now. */
static int64_t reduce(const skeleton_tables *tables, const uint8_t *data, int64_t at, int64_t end, uint8_t *reduced,
                      int64_t *origins, int64_t n) {
    uint8s skeletons = tables->skeletons, kinds = tables->kinds;
    int64_t before = BREAK, last = BREAK;
    while (at < end) {
        uint8_t byte = data[at];
        int64_t letter = skeleton_at(data, at, skeletons);
        if (byte < 0x80 && letter != last) { /* as most are */
            if (origins != NULL) origins[n] = at;
            reduced[n++] = (uint8_t)letter;
            at++;
            before = last;
            last = letter;
            continue;
        }
        int64_t after = at + size_of_letter(byte);
        if (letter == last && is_word_letter(kinds, letter)) {
            while (after < end && skeleton_at(data, after, skeletons) == letter) after += size_of_letter(data[after]);
            if (are_dropped(data, after, end, before, kinds)) at = after;
        }
        before = last;
        last = letter;
        for (; at < after; at++) {
            if (origins != NULL) origins[n] = at;
            reduced[n++] = data[at] < 0x80 ? skeletons.at[data[at]] : data[at];
        }
    }
    return n;
}

/* Write the skeleton of a text; return how many bytes there are now, -1 if it is left to `reduce`.

   That are texts of other letters than ASCII, and those that may have a word of one letter only, whose repeats stay.
   There is no branch in the loop, since it cannot be foretold where letters repeat. */
static int64_t reduce_plain(const uint16_t *pairs, const uint8_t *data, int64_t start, int64_t end, uint8_t *reduced,
                            int64_t n) {
    uint8_t *to = reduced + n;
    uint32_t byte = BREAK, flags = AFTER_APART;
    uint32_t is_open = 0, is_left = 0; /* in the bit of AGAIN: whether all of a word so far is one letter, repeated */
    for (int64_t at = start; at < end; at++) {
        uint32_t before = byte, flags_before = flags;
        byte = data[at];
        flags = pairs[before << 8 | byte];
        is_left |= (is_open & flags >> APART_TO_AGAIN) | (flags & BEYOND);
        is_open = (is_open | flags_before >> AFTER_APART_TO_AGAIN) & flags;
        *to = (uint8_t)flags; /* its last byte is the skeleton letter */
        to += flags >> TO_WRITTEN;
    }
    return (is_left | is_open) & (AGAIN | BEYOND) ? -1 : to - reduced;
}

EXPORT outcome reduce_texts(texts folded, const skeleton_tables *tables, int64s_out offsets, uint8s_out reduced) {
    REQUIRE(are_texts(folded) && are_skeleton_tables(tables));
    REQUIRE(offsets.n == folded.offsets.n && reduced.n >= folded.data.n);
    const int64_t *starts = folded.offsets.at;
    int64_t n = offsets.at[0] = 0;
    for (int64_t row = 0; row + 1 < folded.offsets.n; row++) {
        int64_t start = starts[row], end = starts[row + 1];
        int64_t after = reduce_plain(tables->pairs.at, folded.data.at, start, end, reduced.at, n);
        n = after >= 0 ? after : reduce(tables, folded.data.at, start, end, reduced.at, NULL, n);
        offsets.at[row + 1] = n;
    }
    return 0;
}

/* Write the same, and of each byte which one of the texts it comes from. */
EXPORT outcome reduce_with_origins(texts folded, const skeleton_tables *tables, int64s_out offsets, uint8s_out reduced,
                                   int64s_out origins) {
    REQUIRE(are_texts(folded) && are_skeleton_tables(tables));
    REQUIRE(offsets.n == folded.offsets.n && reduced.n >= folded.data.n && origins.n >= folded.data.n);
    const int64_t *starts = folded.offsets.at;
    offsets.at[0] = 0;
    for (int64_t row = 0; row + 1 < folded.offsets.n; row++) {
        offsets.at[row + 1] = reduce(tables, folded.data.at, starts[row], starts[row + 1], reduced.at, origins.at,
                                     offsets.at[row]);
    }
    return 0;
}
