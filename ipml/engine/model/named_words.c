/* Words are cut from texts, and taken away where they stand. */
#include "base/letters.h"
#include "model/word_changes.h"

static bool is_wide(uint32_t letter) { return letter >= 0x2E80 && letter <= 0x3FFFF; } /* of a script without spaces */
static bool stands_in_word(uint8s kinds, uint32_t letter) { return !is_wide(letter) && is_word_letter(kinds, letter); }
static bool says_something(uint8s kinds, uint32_t letter) { return is_wide(letter) || is_kind(kinds, letter, ALNUM); }
static bool is_sign(uint32_t letter) {
    return letter < 0x80 && letter != 0 && strchr(".,;:!?()[]{}<>\"'*/|~_=-", (int)letter) != NULL;
}

static void add_part(named_words *into, int64_t start, int64_t end) {
    part of = {start, end, -1};
    buffer_write(&into->parts, &of, sizeof of);
}

/* Cut a piece of a text into words. */
static void split(text of, int64_t at, int64_t end, uint8s kinds, named_words *into) {
    while (at < end) {
        int64_t start = at++;
        if (is_kind(kinds, of.written[start], SPACE)) continue;
        if (!is_wide(of.written[start]))
            while (at < end && !is_kind(kinds, of.written[at], SPACE) && !is_wide(of.written[at])) at++;
        int64_t stop = at;
        while (start < stop && is_sign(of.written[start])) start++;
        while (stop > start && is_sign(of.written[stop - 1])) stop--;
        bool says_any = false;
        for (int64_t i = start; i < stop && !says_any; i++) says_any = says_something(kinds, of.written[i]);
        if (says_any) add_part(into, start, stop);
    }
}

static bool is_within_word(text of, span place, uint8s kinds) {
    return (place.start > 0 && stands_in_word(kinds, of.written[place.start - 1])) ||
           (place.end < of.n && stands_in_word(kinds, of.written[place.end]));
}

/* Write the places of small letters in a text, in any case: as whole words, or else within others. The time is
   that of one walk through the text: `borders` says how much of their beginning ends at each of them. */
static void find_word(text of, uint32s sought, uint8s kinds, int64_t *borders, buffer *places) {
    const uint32_t *letters = sought.at;
    int64_t n = sought.n, matched = 0, first = places->n, n_alone = 0;
    if (n == 0 || n > of.n) return;
    borders[0] = 0;
    for (int64_t i = 1; i < n; i++) {
        while (matched > 0 && letters[i] != letters[matched]) matched = borders[matched - 1];
        matched += letters[i] == letters[matched];
        borders[i] = matched;
    }
    matched = 0;
    for (int64_t at = 0; at < of.n; at++) {
        while (matched > 0 && of.small[at] != letters[matched]) matched = borders[matched - 1];
        matched += of.small[at] == letters[matched];
        if (matched < n) continue;
        span place = {at + 1 - n, at + 1};
        n_alone += !is_within_word(of, place, kinds);
        buffer_write(places, &place, sizeof place);
        matched = 0;
    }
    if (n_alone == 0 || places->failed) return;
    span *found = (span *)(void *)(places->at + first);
    int64_t n_found = (places->n - first) / (int64_t)sizeof *found, n_kept = 0;
    for (int64_t i = 0; i < n_found; i++)
        if (!is_within_word(of, found[i], kinds)) found[n_kept++] = found[i];
    places->n = first + n_kept * (int64_t)sizeof *found;
}

/* Write where phrases stand in the texts of their listings. */
static void find_phrases(const naming *rules, const found_words *found, int64_t *borders, named_words *into) {
    found_phrases of = found->phrases;
    buffer_write_int64(&into->phrase_starts, 0);
    for (int64_t row = 0; row < n_texts(found->texts) / N_TEXTS; row++) {
        for (int64_t i = of.rows.at[row]; i < of.rows.at[row + 1]; i++) {
            for (int64_t side = 0; side < N_TEXTS; side++) {
                const int64_t *starts = of.starts.at + N_TEXTS * i + side;
                uint32s sought = {of.letters.at + starts[0], starts[1] - starts[0]};
                find_word(text_of(found->texts, N_TEXTS * row + side), sought, rules->kinds, borders, &into->places);
                buffer_write_int64(&into->phrase_starts, into->places.n / (int64_t)sizeof(span));
            }
        }
    }
}

static bool has_space(text of, span within, uint8s kinds) {
    for (int64_t i = within.start; i < within.end; i++)
        if (is_kind(kinds, of.written[i], SPACE)) return true;
    return false;
}

/* Cut a text into words, some phrases that stand in it whole. */
static void cut(text of, buffer *whole, uint8s kinds, named_words *into) {
    const span *spans = (const span *)(const void *)whole->at;
    int64_t at = 0, n = whole->n / (int64_t)sizeof *spans;
    if (n > 1) qsort(whole->at, (size_t)n, sizeof *spans, compare_places);
    for (int64_t i = 0; i < n; i++) {
        if (spans[i].start < at || has_space(of, spans[i], kinds)) continue;
        split(of, at, spans[i].start, kinds, into);
        add_part(into, spans[i].start, spans[i].end);
        at = spans[i].end;
    }
    split(of, at, of.n, kinds, into);
}

static uint64_t hash_keys(uint32s of) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (int64_t i = 0; i < of.n; i++) hash = (hash ^ of.at[i]) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static uint32s keys_of(text of, part stands) {
    int64_t first = of.key_starts[stands.start];
    return (uint32s){of.keys + first, of.key_starts[stands.end] - first};
}

static bool are_same(uint32s a, uint32s b) {
    return a.n == b.n && memcmp(a.at, b.at, (size_t)a.n * sizeof *a.at) == 0;
}

/* Number the different words of a text by where they stand first; the table has room for more than all its parts. */
static void number_words(text of, part *parts, int64_t n, int64_t *table, uint64_t mask, named_words *into) {
    int64_t first_word = into->words.n / (int64_t)sizeof(word);
    memset(table, 0xFF, (size_t)(mask + 1) * sizeof *table);
    for (int64_t i = 0; i < n; i++) {
        uint32s keys = keys_of(of, parts[i]);
        uint64_t slot = hash_keys(keys) & mask;
        while (table[slot] >= 0 && !are_same(keys, keys_of(of, parts[table[slot]]))) slot = (slot + 1) & mask;
        if (table[slot] < 0) {
            word new = {table[slot] = i, -1};
            parts[i].word = into->words.n / (int64_t)sizeof new - first_word;
            buffer_write(&into->words, &new, sizeof new);
        } else parts[i].word = parts[table[slot]].word;
    }
}

/* Number the words of all texts; return how many texts have more than are asked for. */
static outcome number_all(lettered of, int64s most, named_words *into) {
    const int64_t *starts = int64s_of(&into->part_starts);
    int64_t n_long = 0, n_most = 0;
    for (int64_t i = 0; i < n_texts(of); i++) n_most = max_of(n_most, starts[i + 1] - starts[i]);
    int64_t *table = malloc((size_t)(4 * n_most + 2) * sizeof *table);
    if (table == NULL) return OUT_OF_MEMORY;
    for (int64_t i = 0; i < n_texts(of); i++) {
        int64_t before = into->words.n / (int64_t)sizeof(word), n = starts[i + 1] - starts[i];
        uint64_t mask = 1;
        while (mask < 2 * (uint64_t)n) mask = 2 * mask + 1;
        buffer_write_int64(&into->word_starts, before);
        number_words(text_of(of, i), parts_of(into) + starts[i], n, table, mask, into);
        n_long += into->words.n / (int64_t)sizeof(word) - before > most.at[i % N_TEXTS];
    }
    buffer_write_int64(&into->word_starts, into->words.n / (int64_t)sizeof(word));
    free(table);
    return into->words.failed || into->word_starts.failed ? OUT_OF_MEMORY : n_long;
}

/* Ask for a word of a text. */
static void ask(text of, int64_t number, part sought, uint8s kinds, int64_t *borders, named_words *into) {
    buffer_write_int64(&into->rows, number / N_TEXTS);
    if (number % N_TEXTS) end_side(into);
    find_word(of, (uint32s){of.small + sought.start, sought.end - sought.start}, kinds, borders, &into->pieces);
    if (number % N_TEXTS == 0) end_side(into);
    end_side(into);
}

/* Put the words of a text that has many in order: those whose letters weigh most come first. */
static void order_words(const word *words, weighed *order, int64_t n, const part *parts, const double *weights) {
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
        part stands = parts[words[i].first];
        for (int64_t at = stands.start; at < stands.end; at++) sum += weights[at];
        order[i] = (weighed){sum < 0 ? -sum : sum, i};
    }
    qsort(order, (size_t)n, sizeof *order, compare_weights);
}

/* Ask for the words of a text; return where the weights of the next text with many begin. */
static const double *ask_text(lettered all, int64_t number, uint8s kinds, int64_t most, const double *weights,
                              weighed *order, int64_t *borders, named_words *into) {
    text of = text_of(all, number);
    const part *parts = parts_of(into) + int64s_of(&into->part_starts)[number];
    int64_t first = int64s_of(&into->word_starts)[number], n = int64s_of(&into->word_starts)[number + 1] - first;
    word *words = words_of(into) + first;
    bool has_many = n > most;
    if (has_many) order_words(words, order, n, parts, weights);
    for (int64_t i = 0; i < min_of(n, most); i++) {
        word *asked = words + (has_many ? order[i].number : i);
        asked->change = into->rows.n / (int64_t)sizeof(int64_t);
        ask(of, number, parts[asked->first], kinds, borders, into);
    }
    return has_many ? weights + of.n : weights;
}

static void ask_phrase(int64_t row, int64_t phrase, named_words *into) {
    buffer_write_int64(&into->rows, row);
    for (int64_t side = 0, n; side < N_TEXTS; side++) {
        const span *places = places_of_phrase(into, phrase, side, &n);
        buffer_write(&into->pieces, places, n * (int64_t)sizeof *places);
        end_side(into);
    }
}

/* How many letters the texts have that have too many words. */
static int64_t count_weights(const naming *rules, lettered of, const named_words *into) {
    const int64_t *starts = int64s_of(&into->word_starts);
    int64_t n = 0;
    for (int64_t i = 0; i < n_texts(of); i++)
        if (starts[i + 1] - starts[i] > rules->most.at[i % N_TEXTS]) n += text_of(of, i).n;
    return n;
}

/* Ask for all phrases and words; of a text that has too many, for those whose letters weigh most. The weights are of the
   letters of such texts, one text after another. */
EXPORT outcome ask_words(const naming *rules, const found_words *found, doubles weights, named_words *into) {
    REQUIRE(is_naming(rules) && are_found_words(found) && weights.n == count_weights(rules, found->texts, into));
    lettered of = found->texts;
    found_phrases phrases = found->phrases;
    int64_t longest = longest_of(of), *borders = malloc((size_t)(longest + 1) * sizeof *borders);
    weighed *order = malloc((size_t)(longest + 1) * sizeof *order);
    const double *next = weights.at;
    end_side(into);
    for (int64_t row = 0; row < n_texts(of) / N_TEXTS && borders != NULL && order != NULL; row++) {
        buffer_write_int64(&into->change_starts, into->rows.n / (int64_t)sizeof(int64_t));
        for (int64_t i = phrases.rows.at[row]; i < phrases.rows.at[row + 1]; i++) ask_phrase(row, i, into);
        for (int64_t i = N_TEXTS * row; i < N_TEXTS * (row + 1); i++)
            next = ask_text(of, i, rules->kinds, rules->most.at[i % N_TEXTS], next, order, borders, into);
    }
    bool is_done = borders != NULL && order != NULL && !has_failed(into);
    free(borders), free(order);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Cut all texts into words. */
static void cut_all(const naming *rules, const found_words *found, named_words *into) {
    const int64_t *phrases = found->phrases.rows.at;
    buffer whole = {.n = 0};
    for (int64_t i = 0; i < n_texts(found->texts); i++) {
        int64_t row = i / N_TEXTS, n;
        whole.n = 0;
        for (int64_t phrase = phrases[row]; phrase < phrases[row + 1]; phrase++) {
            const span *places = places_of_phrase(into, phrase, i % N_TEXTS, &n);
            buffer_write(&whole, places, n * (int64_t)sizeof *places);
        }
        buffer_write_int64(&into->part_starts, into->parts.n / (int64_t)sizeof(part));
        cut(text_of(found->texts, i), &whole, rules->kinds, into);
    }
    buffer_write_int64(&into->part_starts, into->parts.n / (int64_t)sizeof(part));
    into->parts.failed |= whole.failed;
    free(whole.at);
}

/* Cut texts into words, without the signs around them: a phrase without spaces is one, and so is a letter of a script
   without spaces. Return how many texts have more different words than are asked for; where none has, all phrases and
   words are asked for at once. */
EXPORT outcome cut_words(const naming *rules, const found_words *found, named_words *into) {
    REQUIRE(is_naming(rules) && are_found_words(found));
    int64_t *borders = malloc((size_t)(longest_of(found->texts) + 1) * sizeof *borders);
    if (borders == NULL) return OUT_OF_MEMORY;
    find_phrases(rules, found, borders, into);
    free(borders);
    if (into->phrase_starts.failed || into->places.failed) return OUT_OF_MEMORY;
    cut_all(rules, found, into);
    if (into->part_starts.failed || into->parts.failed) return OUT_OF_MEMORY;
    outcome n_long = number_all(found->texts, rules->most, into);
    return n_long == 0 ? ask_words(rules, found, (doubles){NULL, 0}, into) : n_long;
}
