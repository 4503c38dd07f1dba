/* Find the phrases of several sets in many texts at once, as `ipml.features.phrases.find_phrases` finds those of one.

   Texts are read some at a time. The trie of the phrases is walked from every place of a text at which a word may
   begin, and from every letter of words so long that they must be several (`walks.c`); what was met on the way is then
   compared with the letters of the text. */
#include "phrases/phrases.h"

#include "base/texts.h"
#include "phrases/walks.h"

enum { STEM = 1, EXACT = 2 }; /* an entry counts with any ending; it must stand exactly as it is */
enum { BYTES_AT_ONCE = 1 << 15 };
enum { FEW = 32 }; /* places that are put in order one by one */

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

/* Whether a word may end where a meeting does; `stop` is the end of the letters it is made of. */
static bool may_end(const uint8_t *data, uint8s kinds, int64_t begin, int64_t stop, int64_t end) {
    if (stop < end && data[stop - 1] < 0x80 && data[stop] < 0x80) { /* as mostly */
        return !(kinds.at[data[stop - 1]] & kinds.at[data[stop]] & ALNUM);
    }
    return is_boundary(data, kinds, begin, stop, end);
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
        int64_t entry_stop = stop;
        if (is_stem || is_exact) {
            int64_t at = tables->folded.offsets.at[entry], size = tables->folded.offsets.at[entry + 1] - at;
            bool is_same = begin + size <= end && memcmp(data + begin, tables->folded.data.at + at, (size_t)size) == 0;
            if (is_exact && !(is_same && (is_stem || begin + size == stop))) continue;
            if (is_stem && is_same) entry_stop = begin + size;
        }
        bool stands = (met->walk & 1) && (is_stem || ends);
        if (!stands && !is_exact) stands = is_within_joined(data, start, end, begin, entry_stop);
        if (!stands) continue;
        place one = {tables->entry_sets.at[entry], tables->entry_numbers.at[entry], (int32_t)(begin - start),
                     (int32_t)(entry_stop - start)};
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

/* Return room for some more elements of a buffer, which it holds from now on; NULL if there is none. */
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

void find_places(texts folded, const phrase_tables *tables, buffer *starts, buffer *firsts, buffer *numbers,
                 buffer *begins, buffer *ends) {
    int64_t n_texts = folded.offsets.n - 1;
    int64_t most = min_of(folded.data.n + n_texts, BYTES_AT_ONCE + longest_text(folded)) + 1;
    chunk some;
    buffer found = {0};
    int64_t *n_found = malloc((size_t)(n_texts + 1) * sizeof *n_found);
    found.failed = !open_chunk(&some, most, tables->most_passed) || n_found == NULL;
    if (!found.failed) compare_all(folded, tables, &some, &found, n_found);
    if (!found.failed) {
        const place *all = (const place *)(const void *)found.at;
        int64_t *by_set = part_texts(all, n_found, n_texts, tables->n_sets, starts, firsts);
        if (by_set != NULL) part_places(all, n_found[n_texts], by_set, tables->n_sets, numbers, begins, ends);
    }
    if (found.failed) starts->failed = 1;
    close_chunk(&some);
    free(n_found);
    free(found.at);
}
