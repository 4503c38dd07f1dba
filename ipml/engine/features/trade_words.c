/* Choose the words of the trade that count in many texts, as `ipml.features.lexicon.TradeWords` says. */
#include "features/trade_words.h"

#include "base/letters.h"
#include "base/texts.h"

enum { NEGATION_REACHES_WORDS = 2, CONTEXT_REACHES_WORDS = 3 };
enum { FIRST_IDEOGRAPH = 0x2E80, LAST_IDEOGRAPH = 0x3FFFF }; /* each is a word */

/* A phrase that may count. */
typedef struct {
    int64_t start, end, rank, kind;
} span;

/* What stands before a letter. */
typedef struct {
    int32_t words;  /* that begin before it, or are ideographs */
    int32_t breaks; /* signs that part a sentence, as a space follows */
} tally;

/* What is read of one text, and room for it. */
typedef struct {
    const trade_table *table;
    const places *found;
    const uint8_t *text;
    int64_t size;
    int64_t first, last;                 /* its places, the last excluded */
    tally *before;                       /* for each letter and the end, by byte */
    bool is_tallied;
    int64_t *group_starts;               /* where the places of each kind start, shape (n_kinds + 1,) */
    int64_t *group_used;                 /* where the next place of each kind goes */
    int64_t *group_begins, *group_ends;  /* where places begin, and up to where they or earlier ones of a kind reach */
    span *spans;
    int64_t *negation_ends;
    int64_t n_spans, n_negations;
} reading;

static int64_t kind_of(const reading *of, int64_t place) { return AT(of->table->kinds, of->found->number.at[place]); }

static bool is_ideograph(int64_t letter) { return FIRST_IDEOGRAPH <= letter && letter <= LAST_IDEOGRAPH; }

/* Whether a letter stands in a word of several. */
static bool is_in_word(uint8s kinds, int64_t letter) { return !is_ideograph(letter) && !is_kind(kinds, letter, SPACE); }

/* Whether a sign parts a sentence, where a space or nothing follows. */
static bool is_break(uint8_t byte) {
    return byte == '.' || byte == ',' || byte == ';' || byte == ':' || byte == '!' || byte == '?' || byte == '|';
}

/* Count words and breaks up to each letter, so that however many places there are, the text is read once. */
static void tally_text(reading *of) {
    uint8s kinds = of->table->letter_kinds;
    tally n = {0, 0};
    bool was_in_word = false;
    for (int64_t at = 0; at < of->size;) {
        int64_t letter = letter_at(of->text, at), following = at + size_of_letter(of->text[at]);
        bool is_inside = is_in_word(kinds, letter);
        of->before[at] = n;
        n.words += is_ideograph(letter) || (is_inside && !was_in_word);
        n.breaks += letter < 0x80 && is_break((uint8_t)letter) && following < of->size
                    && is_kind(kinds, letter_at(of->text, following), SPACE);
        was_in_word = is_inside;
        at = following;
    }
    of->before[of->size] = n;
    of->is_tallied = true;
}

/* Whether there are no more words, or parts of words, than this between two letters. */
static bool has_few_words(reading *of, int64_t start, int64_t end, int64_t most) {
    if (start >= end) return true;
    if (!of->is_tallied) tally_text(of);
    const tally *first = &of->before[start], *second = first + size_of_letter(of->text[start]);
    bool goes_on = is_in_word(of->table->letter_kinds, letter_at(of->text, start)) && second->words == first->words;
    return of->before[end].words - first->words + goes_on <= most;
}

static bool holds_break(reading *of, int64_t start, int64_t end) {
    if (start >= end) return false;
    if (!of->is_tallied) tally_text(of);
    return is_break(of->text[end - 1]) || of->before[end].breaks > of->before[start].breaks;
}

/* Write the places of the text kind by kind. */
static void group_places(reading *of) {
    int64_t n_kinds = of->table->ranks.n;
    memset(of->group_starts, 0, (size_t)(n_kinds + 1) * sizeof *of->group_starts);
    for (int64_t i = of->first; i < of->last; i++) of->group_starts[kind_of(of, i) + 1]++;
    for (int64_t kind = 0; kind < n_kinds; kind++) of->group_starts[kind + 1] += of->group_starts[kind];
    memcpy(of->group_used, of->group_starts, (size_t)n_kinds * sizeof *of->group_used);
    for (int64_t i = of->first; i < of->last; i++) {
        int64_t kind = kind_of(of, i), at = of->group_used[kind]++, end = of->found->end.at[i];
        of->group_begins[at] = of->found->start.at[i];
        of->group_ends[at] = at > of->group_starts[kind] ? max_of(end, of->group_ends[at - 1]) : end;
    }
}

/* Whether one place of a kind overlaps another place, or stands beside it with three words between at most. */
static bool is_near(reading *of, int64_t place, int64_t kind) {
    int64_t first = of->group_starts[kind], last = of->group_starts[kind + 1];
    int64_t begin = of->found->start.at[place], end = of->found->end.at[place];
    if (first == last) return false;
    int64_t following = find_above(of->group_begins, first, last, end - 1);
    if (following > first && has_few_words(of, of->group_ends[following - 1], begin, CONTEXT_REACHES_WORDS)) {
        return true;
    }
    return following < last && has_few_words(of, end, of->group_begins[following], CONTEXT_REACHES_WORDS);
}

/* Whether a place stands near what gives it another meaning. */
static bool is_out_of_place(reading *of, int64_t place, bool *is_grouped) {
    int64_t phrase = of->found->number.at[place], last = AT(of->table->context_starts, phrase + 1);
    for (int64_t at = AT(of->table->context_starts, phrase); at < last; at++) {
        if (!*is_grouped) group_places(of);
        *is_grouped = true;
        if (is_near(of, place, AT(of->table->contexts, at))) return true;
    }
    return false;
}

/* Write the phrases that may count in the text. */
static void find_counting(reading *of) {
    bool is_grouped = false;
    of->n_spans = 0;
    for (int64_t i = of->first; i < of->last; i++) {
        int64_t kind = kind_of(of, i);
        if (kind >= of->table->n_counted || is_out_of_place(of, i, &is_grouped)) continue;
        int64_t start = of->found->start.at[i], end = of->found->end.at[i];
        of->spans[of->n_spans++] = (span){start, end, AT(of->table->ranks, kind), kind};
    }
}

/* Whether a span comes before another: by start, the longest first, then by the name of its kind. */
static bool comes_before(const span *one, const span *other) {
    if (one->start != other->start) return one->start < other->start;
    if (one->end != other->end) return one->end > other->end;
    return one->rank < other->rank;
}

/* Keep the spans that overlap none before them, in order. */
static void keep_leftmost(reading *of) {
    span *spans = of->spans;
    for (int64_t i = 1; i < of->n_spans; i++) {
        span moved = spans[i];
        int64_t at = i;
        for (; at > 0 && comes_before(&moved, &spans[at - 1]); at--) spans[at] = spans[at - 1];
        spans[at] = moved;
    }
    int64_t n_kept = 0;
    for (int64_t i = 0; i < of->n_spans; i++) {
        if (n_kept == 0 || spans[i].start >= spans[n_kept - 1].end) spans[n_kept++] = spans[i];
    }
    of->n_spans = n_kept;
}

/* Put some numbers in order; they mostly are. */
static void sort(int64_t *values, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        int64_t moved = values[i], at = i;
        for (; at > 0 && values[at - 1] > moved; at--) values[at] = values[at - 1];
        values[at] = moved;
    }
}

/* Write where negations end that do not lie within spans, in order. */
static void find_negations(reading *of) {
    int64_t n_before = 0; /* spans that begin no later */
    of->n_negations = 0;
    for (int64_t i = of->first; i < of->last; i++) {
        if (kind_of(of, i) != of->table->negation) continue;
        while (n_before < of->n_spans && of->spans[n_before].start <= of->found->start.at[i]) n_before++;
        if (n_before > 0 && of->found->end.at[i] <= of->spans[n_before - 1].end) continue;
        of->negation_ends[of->n_negations++] = of->found->end.at[i];
    }
    sort(of->negation_ends, of->n_negations);
}

/* Whether some negation ends shortly before a place, in the same part of the sentence. */
static bool is_denied(reading *of, int64_t begin) {
    int64_t before = find_above(of->negation_ends, 0, of->n_negations, begin);
    if (before == 0) return false;
    int64_t end = of->negation_ends[before - 1];
    return has_few_words(of, end, begin, NEGATION_REACHES_WORDS) && !holds_break(of, end, begin);
}

/* Choose the phrases that count in the text, as spans with the kinds as which they do. */
static void choose_in_text(reading *of) {
    find_counting(of);
    keep_leftmost(of);
    find_negations(of);
    for (int64_t i = 0; i < of->n_spans; i++) {
        span *chosen = &of->spans[i];
        if (AT(of->table->deniable, chosen->kind) && is_denied(of, chosen->start)) chosen->kind = of->table->negated;
    }
}

static bool holds_counted(const reading *of) {
    for (int64_t i = of->first; i < of->last; i++) {
        if (kind_of(of, i) < of->table->n_counted) return true;
    }
    return false;
}

/* Point a reading at parts of one room for so many places, and for texts of so many bytes. */
static bool open_reading(reading *of, int64_t most, int64_t longest) {
    int64_t n_kinds = of->table->ranks.n;
    size_t of_numbers = (size_t)(2 * n_kinds + 1 + 3 * most) * sizeof(int64_t);
    of->spans = malloc((size_t)most * sizeof(span) + of_numbers + (size_t)(longest + 1) * sizeof(tally));
    if (of->spans == NULL) return false;
    of->group_starts = (int64_t *)(void *)(of->spans + most);
    of->group_used = of->group_starts + n_kinds + 1;
    of->group_begins = of->group_used + n_kinds;
    of->group_ends = of->group_begins + most;
    of->negation_ends = of->group_ends + most;
    of->before = (tally *)(void *)(of->negation_ends + most);
    return true;
}

/* Make room to read any of the texts; false if there is not enough memory. */
static bool begin_reading(reading *of, texts folded) {
    int64_t most = 0; /* places */
    for (int64_t row = 0; row < of->found->starts.n - 1; row++) {
        most = max_of(most, of->found->starts.at[row + 1] - of->found->starts.at[row]);
    }
    return open_reading(of, max_of(most, 1), longest_text(folded));
}

static void read_text(reading *of, texts folded, int64_t row) {
    of->text = folded.data.at + folded.offsets.at[row];
    of->size = folded.offsets.at[row + 1] - folded.offsets.at[row];
    of->first = of->found->starts.at[row];
    of->last = of->found->starts.at[row + 1];
    of->is_tallied = false;
    of->n_spans = 0;
    if (holds_counted(of)) choose_in_text(of);
}

outcome count_trade_words(texts folded, places found, const trade_table *table, doubles_out counts) {
    REQUIRE(are_texts(folded) && are_places(found) && found.starts.n == folded.offsets.n);
    REQUIRE(is_trade_table(table) && are_numbered(found, table->kinds.n));
    REQUIRE(counts.n == n_rows(folded) * table->n_counted);
    reading of = {.table = table, .found = &found};
    if (found.number.n == 0) return 0;
    if (!begin_reading(&of, folded)) return OUT_OF_MEMORY;
    for (int64_t row = 0; row < found.starts.n - 1; row++) {
        double *of_text = counts.at + row * table->n_counted;
        read_text(&of, folded, row);
        for (int64_t i = 0; i < of.n_spans; i++) {
            int64_t kind = of.spans[i].kind;
            of_text[kind] = (double)min_of((int64_t)of_text[kind] + 1, AT(table->most, kind));
        }
    }
    free(of.spans);
    return 0;
}

/* Write which phrases count in each text, in their order: where they start by text, shape (n_texts + 1,); as which kind
   each counts, and between which bytes it stands, with room for as many as were found. Returns how many there are. */
EXPORT outcome choose_trade_words(texts folded, places found, const trade_table *table, int64s_out starts,
                                  int32s_out kinds, int32s_out begins, int32s_out ends) {
    REQUIRE(are_texts(folded) && are_places(found) && found.starts.n == folded.offsets.n);
    REQUIRE(is_trade_table(table) && are_numbered(found, table->kinds.n));
    REQUIRE(starts.n == folded.offsets.n && kinds.n >= found.number.n);
    REQUIRE(begins.n >= found.number.n && ends.n >= found.number.n);
    reading of = {.table = table, .found = &found};
    if (!begin_reading(&of, folded)) return OUT_OF_MEMORY;
    int64_t n = starts.at[0] = 0;
    for (int64_t row = 0; row < found.starts.n - 1; row++) {
        read_text(&of, folded, row);
        for (int64_t i = 0; i < of.n_spans; i++, n++) {
            kinds.at[n] = (int32_t)of.spans[i].kind;
            begins.at[n] = (int32_t)of.spans[i].start;
            ends.at[n] = (int32_t)of.spans[i].end;
        }
        starts.at[row + 1] = n;
    }
    free(of.spans);
    return n;
}
