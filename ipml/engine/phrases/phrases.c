/* Find the phrases of several sets in many texts at once.

   Texts are read some at a time, and walked through the trie of the phrases in three steps: write their skeletons
   without gaps and where words may begin, choose the walks that may lead anywhere, and follow them. What was met on the
   way is then compared with the letters of the texts. */
#include "phrases/phrases.h"

#include "base/letters.h"
#include "base/texts.h"
#include "phrases/skeletons.h"
#include "phrases/tries.h"

enum { GAP = 0x20 };
enum { LEAST_JOINED = 14 };  /* letters; a longer word is several, written without spaces */
enum { FIRST_CJK = 0x2E80 };
enum { SHORT_LETTERS = 2 };  /* a word of no more of katakana or Hangul is not found after others */
enum { NO_GAP = 2, TO_STARTS = 14 };
enum { STEM = 1, EXACT = 2 }; /* an entry counts with any ending; it must stand exactly as it is */
enum { BYTES_AT_ONCE = 1 << 15 };
enum { FEW = 32 }; /* places that are put in order one by one */

/* A word of the trie on a walk. */
typedef struct {
    int64_t walk; /* the byte of the skeletons that it starts from, times two, and 1 if a word may begin there */
    int64_t last; /* its last byte in the skeletons */
    int64_t word;
} meeting;

/* The texts that are read at once, from a first to a last, excluded. Text `row` has its skeleton from the byte on where
   it would stand if there were a break after each text, and its walks from the same number on. */
typedef struct {
    int64_t first, last;
    uint8_t *squashed; /* skeletons without gaps, a break after each */
    int32_t *origins;  /* where in the text each byte of its skeleton stands */
    int64_t *walks;    /* as in a meeting */
    int64_t *walk_ends;
    meeting *met; /* text by text */
    int64_t *met_starts;
} chunk;

static int64_t place_of_skeleton(const chunk *some, texts folded, int64_t row) {
    return folded.offsets.at[row] - folded.offsets.at[some->first] + row - some->first;
}

/* Whether a byte stands between words, however they are written together. */
static inline bool is_between(uint8_t byte) { return byte == GAP || byte == BREAK; }

static inline bool begins_letter(uint8_t byte) { return (byte & 0xC0) != 0x80; }

/* Whether words begin and end beside a letter of a script without spaces between them: from CJK on, Hangul by parts,
   and Thai, Lao, Burmese and Khmer. */
static inline bool is_unspaced(int64_t letter) {
    return letter >= FIRST_CJK || (0x0E00 <= letter && letter < 0x0F00) || (0x1000 <= letter && letter < 0x10A0)
           || (0x1100 <= letter && letter < 0x1200) || (0x1780 <= letter && letter < 0x1800);
}

/* Whether a word may begin or end beside a letter, whatever stands there. */
static bool is_apart(uint8s kinds, int64_t letter) {
    return is_unspaced(letter) || !is_kind(kinds, letter, ALNUM | SPELT_MARK);
}

/* Whether a word may begin or end before a byte of a text: never between a letter and a mark that it is spelt with. */
static bool is_boundary(const uint8_t *data, uint8s kinds, int64_t start, int64_t at, int64_t end) {
    int64_t after = letter_after(data, at, end);
    if (is_kind(kinds, after, SPELT_MARK)) return false;
    return is_apart(kinds, letter_before(data, at, start)) || is_apart(kinds, after);
}

/* Of letters that are written together, katakana and Hangul make words; other scripts are 0. */
static int script_of_word(int64_t letter) {
    if (0x30A1 <= letter && letter <= 0x30FE) return 1;
    return 0xAC00 <= letter && letter <= 0xD7A3 ? 2 : 0;
}

/* Whether the letters at a byte and before it are of one word of katakana or Hangul. */
static bool is_within_run(const uint8_t *data, int64_t start, int64_t at, int64_t end) {
    int script = script_of_word(letter_after(data, at, end));
    return script > 0 && script_of_word(letter_before(data, at, start)) == script;
}

/* Walks */

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

/* Return the end of letters with one skeleton letter, from the second of them on. */
static int64_t end_of_repeats(const uint8_t *data, int64_t at, int64_t end, int64_t letter, uint8s skeletons) {
    while (at < end && skeleton_at(data, at, skeletons) == letter) at += size_of_letter(data[at]);
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
        int64_t letter = skeleton_at(text, at, tables->skeletons);
        if (letter == previous && at >= kept && is_word_letter(tables->kinds, letter)) {
            kept = end_of_repeats(text, at + size_of_letter(byte), size, letter, tables->skeletons);
            int64_t following = letter_after(text, kept, size);
            if (is_kind(tables->kinds, before, ALNUM) || is_kind(tables->kinds, following, ALNUM)) {
                at = kept;
                before = previous;
                continue;
            }
        }
        bool apart = is_apart(tables->kinds, letter);
        bool is_kept = byte >= 0x80 || (tables->classes.at[byte] & NO_GAP);
        to->walks[m] = n << 1 | 1;
        m += is_kept && (apart || was_apart) && !is_kind(tables->kinds, letter, SPELT_MARK);
        for (int64_t after = at + size_of_letter(byte); at < after; at++) {
            to->squashed[n] = byte < 0x80 ? (uint8_t)letter : text[at];
            to->origins[n] = (int32_t)at;
            n += is_kept;
        }
        before = previous;
        previous = letter;
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

static int64_t count_begun(const uint8_t *data, int64_t start, int64_t end) {
    int64_t n = 0;
    for (int64_t at = start; at < end; at++) n += begins_letter(data[at]);
    return n;
}

/* Let walks also start within joined words of a text, from each letter at which no word begins; return where they
   end. */
static int64_t start_within(texts folded, const phrase_tables *tables, chunk *some, int64_t row, int64_t m) {
    const uint8_t *data = folded.data.at;
    int64_t start = folded.offsets.at[row], end = folded.offsets.at[row + 1];
    int64_t place = place_of_skeleton(some, folded, row), most = place + end - start;
    for (int64_t word = start, after; word < end; word = after + 1) {
        after = word;
        while (after < end && !is_between(data[after])) after++;
        if (after - word < LEAST_JOINED || count_begun(data, word, after) < LEAST_JOINED) continue;
        while (start + some->origins[place] < word) place++;
        for (; start + some->origins[place] < after; place++) {
            const uint8_t *squashed = some->squashed + place;
            if (!may_lead(tables->beginnings.at, squashed) || !begins_letter(*squashed)) continue;
            if (is_boundary(data, tables->kinds, start, start + some->origins[place], end)) continue;
            if (m < most) some->walks[m++] = place << 1;
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

/* Meet the words of the trie in the texts of a chunk. */
static void walk_texts(texts folded, const phrase_tables *tables, chunk *some) {
    squash_texts(folded, tables, some);
    choose_walks(folded, tables, some);
    int64_t n = some->met_starts[0] = 0;
    for (int64_t row = some->first; row < some->last; row++) {
        int64_t first = place_of_skeleton(some, folded, row), end = some->walk_ends[row - some->first];
        for (int64_t i = first; i < end; i++) n = follow(tables, some, some->walks[i], n);
        some->met_starts[row - some->first + 1] = n;
    }
}

/* Places */

/* A phrase that was found. */
typedef struct {
    int32_t set, number, start, end;
} place;

/* Whether a place lies within one word so long that it must be several. */
static bool is_within_joined(const uint8_t *data, int64_t start, int64_t end, int64_t begin, int64_t stop) {
    int64_t n = 0;
    for (int64_t at = begin; at < stop; at++) {
        if (data[at] == GAP) return false;
        n += begins_letter(data[at]);
    }
    while (n < LEAST_JOINED && begin > start && !is_between(data[begin - 1])) n += begins_letter(data[--begin]);
    while (n < LEAST_JOINED && stop < end && !is_between(data[stop])) n += begins_letter(data[stop++]);
    return n >= LEAST_JOINED;
}

/* Compare two places: by start, then by end, then by number. */
static int compare_places(const void *one, const void *other) {
    const place *a = one, *b = other;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Put places in order. They mostly are, but those within joined words come after all others. */
static void order_places(place *found, int64_t n) {
    int64_t i = 1;
    while (i < n && compare_places(&found[i - 1], &found[i]) <= 0) i++;
    if (i >= n) return;
    if (n > FEW) {
        qsort(found, (size_t)n, sizeof *found, compare_places);
        return;
    }
    for (; i < n; i++) {
        place moved = found[i];
        int64_t at = i;
        for (; at > 0 && compare_places(&found[at - 1], &moved) > 0; at--) found[at] = found[at - 1];
        found[at] = moved;
    }
}

/* Where a phrase stands exactly, from a byte on or from a repeat of the letter there, which skeletons drop; -1 if it
   does not. The letter after the repeats stands at `following`. */
static int64_t find_exact(const uint8_t *data, int64_t begin, int64_t following, int64_t end, const uint8_t *phrase,
                          int64_t size) {
    int64_t of_letter = size_of_letter(data[begin]);
    for (int64_t at = begin; at < following; at += of_letter) {
        if (!stands_at(data, at, end, data + begin, of_letter)) return -1;
        if (stands_at(data, at, end, phrase, size)) return at;
    }
    return -1;
}

/* Whether a word may end where a meeting does; `stop` is the end of the letters it is made of. */
static bool may_end(const uint8_t *data, uint8s kinds, int64_t begin, int64_t stop, int64_t end) {
    if (stop < end && data[stop - 1] < 0x80 && data[stop] < 0x80) { /* as mostly */
        return !(kinds.at[data[stop - 1]] & kinds.at[data[stop]] & ALNUM);
    }
    return is_boundary(data, kinds, begin, stop, end);
}

/* Find where a phrase that must stand exactly as it is does so for a meeting at a place, and keep that; return whether
   it does as whole words. One of few letters of katakana or Hangul does not within a longer word. */
static bool stands_exactly(const uint8_t *data, int64_t start, int64_t end, const phrase_tables *tables,
                           const chunk *some, const meeting *met, int64_t entry, place *at) {
    int64_t letters = tables->folded.offsets.at[entry], size = tables->folded.offsets.at[entry + 1] - letters;
    const uint8_t *phrase = tables->folded.data.at + letters;
    bool is_stem = tables->entry_flags.at[entry] & STEM;
    int64_t first = met->walk >> 1, begin = start + at->start, stop = start + at->end;
    int64_t following = start + some->origins[first + size_of_letter(data[begin])];
    int64_t from = find_exact(data, begin, following, end, phrase, size);
    if (from < 0 || !(is_stem || from + size <= stop)) return false;
    at->start = (int32_t)(from - start);
    at->end = (int32_t)(from + size - start);
    bool begins = from == begin ? met->walk & 1 : is_boundary(data, tables->kinds, start, from, end);
    if (count_letters_between(phrase, 0, size) <= SHORT_LETTERS && is_within_run(data, start, from, end)) return false;
    return begins && (is_stem || may_end(data, tables->kinds, from, from + size, end));
}

/* Write the places of the phrases that are read as a word that was met, in the text from `start` to `end`. */
static void compare(texts folded, int64_t start, int64_t end, const phrase_tables *tables, const chunk *some,
                    const meeting *met, buffer *found) {
    const uint8_t *data = folded.data.at;
    int64_t begin = start + some->origins[met->walk >> 1];
    int64_t stop = start + some->origins[met->last] + 1, following = start + some->origins[met->last + 1];
    while (stop < following && is_kind(tables->kinds, letter_at(data, stop), ALNUM)) stop += size_of_letter(data[stop]);
    bool ends = may_end(data, tables->kinds, begin, stop, end);
    int64_t last = tables->entry_starts.at[met->word + 1];
    for (int64_t entry = tables->entry_starts.at[met->word]; entry < last; entry++) {
        bool is_stem = tables->entry_flags.at[entry] & STEM, is_exact = tables->entry_flags.at[entry] & EXACT;
        place one = {tables->entry_sets.at[entry], tables->entry_numbers.at[entry], (int32_t)(begin - start),
                     (int32_t)(stop - start)};
        if (is_exact) {
            if (!stands_exactly(data, start, end, tables, some, met, entry, &one)) continue;
        } else {
            int64_t at = tables->folded.offsets.at[entry], size = tables->folded.offsets.at[entry + 1] - at;
            bool is_same = is_stem && stands_at(data, begin, end, tables->folded.data.at + at, size);
            int64_t entry_stop = is_same ? begin + size : stop;
            bool stands = (met->walk & 1) && (is_stem || ends);
            if (!stands && !is_within_joined(data, start, end, begin, entry_stop)) continue;
            one.end = (int32_t)(entry_stop - start);
        }
        buffer_write(found, &one, sizeof one);
    }
}

/* Write where phrases stand in the texts of a chunk, and after each text how many were found so far. */
static void compare_texts(texts folded, const phrase_tables *tables, const chunk *some, buffer *found,
                          int64_t *n_found) {
    for (int64_t row = some->first; row < some->last; row++) {
        int64_t start = folded.offsets.at[row], end = folded.offsets.at[row + 1], before = found->n;
        int64_t last = some->met_starts[row - some->first + 1];
        for (int64_t i = some->met_starts[row - some->first]; i < last; i++) {
            compare(folded, start, end, tables, some, &some->met[i], found);
        }
        int64_t n = (found->n - before) / (int64_t)sizeof(place);
        if (n > 1) order_places((place *)(void *)(found->at + before), n);
        n_found[row + 1] = found->n / (int64_t)sizeof(place);
    }
}

/* Return room for some more elements of a buffer, which it holds from now on; NULL without memory. */
static void *extend(buffer *into, int64_t n, int64_t size) {
    if (!buffer_reserve(into, max_of(n, 1) * size)) return NULL;
    into->n += n * size;
    return into->at + into->n - n * size;
}

/* Write where the places of each set start, by text and in all. */
static int64_t *part_texts(const place *found, const int64_t *n_found, int64_t n_texts, int64_t n_sets, buffer *starts,
                           buffer *firsts) {
    int64_t *by_text = extend(starts, n_sets * (n_texts + 1), sizeof *by_text);
    int64_t *by_set = extend(firsts, n_sets + 1, sizeof *by_set);
    if (by_text == NULL || by_set == NULL) return NULL;
    memset(by_text, 0, (size_t)(n_sets * (n_texts + 1)) * sizeof *by_text);
    for (int64_t row = 0; row < n_texts; row++) {
        for (int64_t i = n_found[row]; i < n_found[row + 1]; i++) by_text[found[i].set * (n_texts + 1) + row + 1]++;
    }
    by_set[0] = 0;
    for (int64_t set = 0; set < n_sets; set++) {
        int64_t *of_set = by_text + set * (n_texts + 1);
        for (int64_t row = 0; row < n_texts; row++) of_set[row + 1] += of_set[row];
        by_set[set + 1] = by_set[set] + of_set[n_texts];
    }
    return by_set;
}

/* Write number, start and end of each place, set by set. */
static void part_places(const place *found, int64_t n, int64_t *by_set, int64_t n_sets, buffer *numbers,
                        buffer *begins, buffer *ends) {
    int32_t *number = extend(numbers, n, sizeof *number);
    int32_t *begin = extend(begins, n, sizeof *begin);
    int32_t *end = extend(ends, n, sizeof *end);
    if (number == NULL || begin == NULL || end == NULL) return;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = by_set[found[i].set]++;
        number[at] = found[i].number;
        begin[at] = found[i].start;
        end[at] = found[i].end;
    }
    memmove(by_set + 1, by_set, (size_t)n_sets * sizeof *by_set); /* the end of each set is the start of the next */
    by_set[0] = 0;
}

/* Make room to read texts of so many bytes at once, breaks included. */
static bool open_chunk(chunk *some, int64_t most, int64_t most_passed) {
    *some = (chunk){
        .squashed = malloc((size_t)most + 3), /* a look at a byte is one at the three after it, too */
        .origins = malloc((size_t)most * sizeof *some->origins),
        .walks = malloc((size_t)most * sizeof *some->walks),
        .walk_ends = malloc((size_t)most * sizeof *some->walk_ends),
        .met = malloc((size_t)(most * max_of(most_passed, 1)) * sizeof *some->met),
        .met_starts = malloc((size_t)(most + 1) * sizeof *some->met_starts),
    };
    return some->squashed && some->origins && some->walks && some->walk_ends && some->met && some->met_starts;
}

static void close_chunk(chunk *some) {
    free(some->squashed);
    free(some->origins);
    free(some->walks);
    free(some->walk_ends);
    free(some->met);
    free(some->met_starts);
}

/* Write where phrases stand in all texts, some texts at a time. */
static void compare_all(texts folded, const phrase_tables *tables, chunk *some, buffer *found, int64_t *n_found) {
    int64_t n_texts = folded.offsets.n - 1;
    const int64_t *offsets = folded.offsets.at;
    n_found[0] = 0;
    for (some->last = 0; some->last < n_texts;) {
        some->first = some->last++;
        while (some->last < n_texts
               && offsets[some->last] + some->last - offsets[some->first] - some->first < BYTES_AT_ONCE) {
            some->last++;
        }
        walk_texts(folded, tables, some);
        compare_texts(folded, tables, some, found, n_found);
    }
}

outcome find_places(texts folded, const phrase_tables *tables, buffer *starts, buffer *firsts, buffer *numbers,
                    buffer *begins, buffer *ends) {
    REQUIRE(are_texts(folded) && are_phrase_tables(tables));
    int64_t n_texts = folded.offsets.n - 1;
    int64_t most = min_of(folded.data.n + n_texts, BYTES_AT_ONCE + longest_text(folded)) + 1;
    chunk some;
    buffer found = {0};
    int64_t *n_found = malloc((size_t)(n_texts + 1) * sizeof *n_found);
    found.failed = !open_chunk(&some, most, tables->most_passed) || n_found == NULL;
    if (!found.failed) compare_all(folded, tables, &some, &found, n_found);
    if (!found.failed) {
        const place *all = (const place *)(const void *)found.at;
        int64_t *by_set = part_texts(all, n_found, n_texts, tables->n_phrases.n, starts, firsts);
        if (by_set != NULL) part_places(all, n_found[n_texts], by_set, tables->n_phrases.n, numbers, begins, ends);
    }
    if (found.failed) starts->failed = 1;
    close_chunk(&some);
    free(n_found);
    free(found.at);
    return 0;
}
