/* Words are named and marked by what listings lose without them. */
#include "model/word_changes.h"

enum { MOST_NAMED = 3 }; /* of a group */

/* What is marked in the letters of a title and its description. */
typedef struct {
    uint8_t *sides[N_TEXTS];
} marks;

static marks clear(lettered of, int64_t row, uint8_t *room, int64_t longest) {
    marks all = {{room, room + longest}};
    for (int64_t side = 0; side < N_TEXTS; side++)
        memset(all.sides[side], 0, (size_t)text_of(of, N_TEXTS * row + side).n);
    return all;
}

static void mark(const named_words *words, int64_t change, marks all, uint8_t number) {
    for (int64_t side = 0, n; side < N_TEXTS; side++) {
        const span *places = places_of(words, change, side, &n);
        for (int64_t i = 0; i < n; i++)
            memset(all.sides[side] + places[i].start, number, (size_t)(places[i].end - places[i].start));
    }
}

/* Whether some letter that a change takes away is marked. */
static bool is_marked(const named_words *words, int64_t change, marks all) {
    for (int64_t side = 0, n; side < N_TEXTS; side++) {
        const span *places = places_of(words, change, side, &n);
        for (int64_t i = 0; i < n; i++)
            if (memchr(all.sides[side] + places[i].start, 1, (size_t)(places[i].end - places[i].start))) return true;
    }
    return false;
}

/* The heaviest changes of one side, at most three. */
typedef struct {
    weighed of[MOST_NAMED + 1];
    int64_t n;
} heaviest;

static void add_heavy(heaviest *into, double weight, int64_t change) {
    weighed new = {weight, change};
    int64_t at = into->n;
    while (at > 0 && compare_weights(&new, into->of + at - 1) < 0) {
        into->of[at] = into->of[at - 1];
        at--;
    }
    into->of[at] = new;
    into->n = min_of(into->n + 1, MOST_NAMED);
}

static double total(const heaviest *of) {
    double sum = 0.0;
    for (int64_t i = 0; i < of->n; i++) sum += of->of[i].weight;
    return sum;
}

/* Name the heaviest changes of the side that weighs more; the first ones if none weighs anything alone. */
static void name_heaviest(const int64_t *changes, int64_t n, const double *losses, named_words *into) {
    heaviest raising = {.n = 0}, lowering = {.n = 0};
    for (int64_t i = 0; i < n; i++) {
        double lost = losses[changes[i]];
        if (lost > 0) add_heavy(&raising, lost, changes[i]);
        if (lost < 0) add_heavy(&lowering, -lost, changes[i]);
    }
    const heaviest *heavier = total(&raising) >= total(&lowering) ? &raising : &lowering;
    for (int64_t i = 0; i < heavier->n; i++) buffer_write_int64(&into->named, heavier->of[i].number);
    if (heavier->n == 0) buffer_write(&into->named, changes, min_of(n, MOST_NAMED) * (int64_t)sizeof *changes);
}

/* Whether the sentence of a group names all its phrases. */
static bool is_whole(const naming *rules, int64_t group) {
    return group >= rules->first_whole && group < rules->n_groups - N_TEXTS;
}

/* Write the change that takes away all that a group names; -1 where it names nothing. */
static void join(int64_t row, int64_t first, named_words *into) {
    const int64_t *named = int64s_of(&into->named) + first;
    int64_t n_named = into->named.n / (int64_t)sizeof *named - first, n;
    if (into->named.failed || n_named < 2) {
        buffer_write_int64(&into->joined, n_named == 1 ? named[0] : -1);
        return;
    }
    buffer_write_int64(&into->joined, into->rows.n / (int64_t)sizeof(int64_t));
    buffer_write_int64(&into->rows, row);
    for (int64_t side = 0; side < N_TEXTS; side++) {
        int64_t begin = into->pieces.n;
        for (int64_t i = 0; i < n_named; i++) {
            places_of(into, named[i], side, &n);
            if (!buffer_reserve(&into->pieces, n * (int64_t)sizeof(span))) return;
            buffer_write(&into->pieces, places_of(into, named[i], side, &n), n * (int64_t)sizeof(span));
        }
        int64_t n_pieces = (into->pieces.n - begin) / (int64_t)sizeof(span);
        if (n_pieces > 1) qsort(into->pieces.at + begin, (size_t)n_pieces, sizeof(span), compare_places);
        end_side(into);
    }
}

/* Name what a group of phrases names: all of them, or the heaviest of those that no other group names. */
static void name_phrases(found_phrases phrases, int64_t row, int64_t group, bool names_all, const double *losses,
                         marks all, int64_t *free_ones, named_words *into) {
    int64_t n = 0, named = into->named.n, first = int64s_of(&into->change_starts)[row];
    for (int64_t i = phrases.rows.at[row]; i < phrases.rows.at[row + 1]; i++, first++)
        if (phrases.groups.at[i] == group && (names_all || !is_marked(into, first, all))) free_ones[n++] = first;
    if (names_all) buffer_write(&into->named, free_ones, n * (int64_t)sizeof *free_ones);
    else name_heaviest(free_ones, n, losses, into);
    if (into->named.failed) return;
    const int64_t *changes = int64s_of(&into->named);
    for (int64_t i = named / 8; i < into->named.n / 8; i++) mark(into, changes[i], all, 1);
}

/* Name words of a text in which no phrase is named; they are free in the order in which they were asked for. */
static void name_of_text(int64_t number, const double *losses, marks all, int64_t *free_ones, named_words *into) {
    const word *words = words_of(into);
    int64_t n = 0, first = -1, n_asked = 0;
    for (int64_t i = int64s_of(&into->word_starts)[number]; i < int64s_of(&into->word_starts)[number + 1]; i++) {
        if (words[i].change < 0) continue;
        if (first < 0 || words[i].change < first) first = words[i].change;
        n_asked++;
    }
    for (int64_t change = first; change < first + n_asked; change++)
        if (!is_marked(into, change, all)) free_ones[n++] = change;
    name_heaviest(free_ones, n, losses, into);
}

/* Choose by what is lost without each change which words are named: of each group the heaviest of the weightier side,
   and none twice; and ask for all of a group together. */
EXPORT outcome choose_words(const naming *rules, const found_words *found, doubles losses, named_words *into) {
    REQUIRE(is_naming(rules) && are_found_words(found) && losses.n == count_changes(into));
    lettered of = found->texts;
    int64_t n_groups = rules->n_groups;
    int64_t longest = longest_of(of), n_changes = losses.n;
    uint8_t *room = malloc((size_t)(2 * longest + 1));
    int64_t *free_ones = malloc((size_t)(n_changes + 1) * sizeof *free_ones);
    for (int64_t row = 0; row < n_texts(of) / N_TEXTS && room != NULL && free_ones != NULL && !has_failed(into); row++) {
        marks all = clear(of, row, room, longest);
        for (int64_t group = 0; group < n_groups; group++) {
            int64_t first = into->named.n / (int64_t)sizeof(int64_t), text = group - (n_groups - N_TEXTS);
            buffer_write_int64(&into->named_starts, first);
            if (text >= 0) name_of_text(N_TEXTS * row + text, losses.at, all, free_ones, into);
            else name_phrases(found->phrases, row, group, is_whole(rules, group), losses.at, all, free_ones, into);
            join(row, first, into);
        }
    }
    buffer_write_int64(&into->named_starts, into->named.n / (int64_t)sizeof(int64_t));
    bool is_done = room != NULL && free_ones != NULL && !has_failed(into);
    free(room), free(free_ones);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Write of each group what is lost without what it names, and how many stay named: where the heaviest speaks for the
   other side than all together, it alone. */
static void weigh_groups(int64_t row, const naming *rules, const double *losses, const named_words *words, double *lost,
                         int64_t *n_named) {
    int64_t n_groups = rules->n_groups;
    const int64_t *starts = int64s_of(&words->named_starts) + row * n_groups;
    const int64_t *joined = int64s_of(&words->joined) + row * n_groups, *named = int64s_of(&words->named);
    for (int64_t group = 0; group < n_groups; group++) {
        n_named[group] = starts[group + 1] - starts[group];
        lost[group] = joined[group] < 0 ? 0.0 : losses[joined[group]];
        if (is_whole(rules, group) || n_named[group] < 2) continue;
        double heaviest = losses[named[starts[group]]];
        if (!(lost[group] * heaviest < 0)) continue;
        n_named[group] = 1;
        lost[group] = heaviest;
    }
}

/* The sides of words that reasons name, by letter; suspicion goes before. */
enum { LOWERS = 1, RAISES = 2 };

static void mark_sides(int64_t row, const naming *rules, const named_words *words, const double *lost,
                       const int64_t *n_named, marks all) {
    const int64_t *starts = int64s_of(&words->named_starts) + row * rules->n_groups, *named = int64s_of(&words->named);
    for (uint8_t number = LOWERS; number <= RAISES; number++)
        for (int64_t group = 0; group < rules->n_groups; group++) {
            if (is_whole(rules, group) || !(number == RAISES ? lost[group] > 0 : lost[group] < 0)) continue;
            for (int64_t i = 0; i < n_named[group]; i++) mark(words, named[starts[group] + i], all, number);
        }
}

typedef struct {
    span place;
    double weight;
    bool is_named;
} marked;

static double size_of(double weight) { return weight < 0 ? -weight : weight; }

static int compare_marked(const void *a, const void *b) {
    const marked *one = a, *other = b;
    if (one->is_named != other->is_named) return one->is_named ? -1 : 1;
    if (size_of(one->weight) != size_of(other->weight)) return size_of(one->weight) > size_of(other->weight) ? -1 : 1;
    return one->place.start < other->place.start ? -1 : 1;
}

/* Weight of a word that a reason of a side names: it is marked on this side, whatever its own weight. */
static double weigh_named(double weight, uint8_t number, double least) {
    double side = number == RAISES ? 1.0 : -1.0;
    return side * (side * weight >= least ? side * weight : least);
}

/* List the places of a text that are marked. */
static void list_marked(const naming *rules, const named_words *words, int64_t number, const uint8_t *sides,
                        const double *losses, buffer *into) {
    const part *parts = parts_of(words);
    const word *of_text = words_of(words) + int64s_of(&words->word_starts)[number];
    int64_t n_words = int64s_of(&words->word_starts)[number + 1] - int64s_of(&words->word_starts)[number];
    double heaviest = 0.0, least = rules->least.at[number % N_TEXTS];
    for (int64_t i = 0; i < n_words; i++)
        if (of_text[i].change >= 0 && size_of(losses[of_text[i].change]) > heaviest)
            heaviest = size_of(losses[of_text[i].change]);
    double smallest = rules->smallest_share * heaviest > least ? rules->smallest_share * heaviest : least;
    for (int64_t i = int64s_of(&words->part_starts)[number]; i < int64s_of(&words->part_starts)[number + 1]; i++) {
        int64_t change = of_text[parts[i].word].change;
        uint8_t side = 0;
        for (int64_t at = parts[i].start; at < parts[i].end; at++) side = sides[at] > side ? sides[at] : side;
        marked one = {{parts[i].start, parts[i].end}, change < 0 ? 0.0 : losses[change], side != 0};
        if (one.is_named) one.weight = weigh_named(one.weight, side, rules->least_named);
        if (one.is_named || size_of(one.weight) > smallest) buffer_write(into, &one, sizeof one);
    }
}

/* Write the marks of a text: of many those of words that reasons name, and the heaviest. */
static void write_marks(buffer *list, int64_t most, buffer *places, buffer *weights) {
    marked *all = (marked *)(void *)list->at;
    int64_t n = list->n / (int64_t)sizeof *all;
    if (n > most) {
        qsort(all, (size_t)n, sizeof *all, compare_marked);
        qsort(all, (size_t)most, sizeof *all, compare_places);
    }
    for (int64_t i = 0; i < min_of(n, most); i++) {
        buffer_write(places, &all[i].place, sizeof all[i].place);
        buffer_write(weights, &all[i].weight, sizeof all[i].weight);
    }
}

/* Write which phrases a listing names by their numbers, and of words where they stand first. */
static void say_named(found_phrases phrases, int64_t row, int64_t n_groups, const named_words *words, buffer *said) {
    const int64_t *starts = int64s_of(&words->named_starts) + row * n_groups, *named = int64s_of(&words->named);
    int64_t first_phrase = phrases.rows.at[row] - int64s_of(&words->change_starts)[row];
    for (int64_t i = starts[0]; i < starts[n_groups - N_TEXTS]; i++) {
        span phrase = {first_phrase + named[i], first_phrase + named[i]};
        buffer_write(said, &phrase, sizeof phrase);
    }
    for (int64_t side = 0; side < N_TEXTS; side++) {
        const int64_t *of_text = starts + n_groups - N_TEXTS + side;
        int64_t number = N_TEXTS * row + side;
        for (int64_t i = of_text[0]; i < of_text[1]; i++) {
            const word *asked = words_of(words) + int64s_of(&words->word_starts)[number];
            while (asked->change != named[i]) asked++;
            part stands = parts_of(words)[int64s_of(&words->part_starts)[number] + asked->first];
            buffer_write(said, &(span){stands.start, stands.end}, sizeof(span));
        }
    }
}

/* Write by listing and group what is lost without what it names, and how many that leaves named; and what is said and
   marked. */
EXPORT outcome mark_words(const naming *rules, const found_words *found, doubles losses, named_words *into,
                          doubles_out lost, int64s_out n_named) {
    REQUIRE(is_naming(rules) && are_found_words(found) && losses.n == count_changes(into));
    REQUIRE(lost.n == n_texts(found->texts) / N_TEXTS * rules->n_groups && n_named.n == lost.n);
    lettered of = found->texts;
    int64_t longest = longest_of(of), n_groups = rules->n_groups;
    uint8_t *room = malloc((size_t)(2 * longest + 1));
    buffer list = {.n = 0};
    for (int64_t row = 0; row < n_texts(of) / N_TEXTS && room != NULL && !list.failed; row++) {
        marks all = clear(of, row, room, longest);
        weigh_groups(row, rules, losses.at, into, lost.at + row * n_groups, n_named.at + row * n_groups);
        mark_sides(row, rules, into, lost.at + row * n_groups, n_named.at + row * n_groups, all);
        say_named(found->phrases, row, n_groups, into, &into->said);
        for (int64_t side = 0; side < N_TEXTS; side++) {
            buffer_write_int64(&into->mark_starts, into->weights.n / (int64_t)sizeof(double));
            list.n = 0;
            list_marked(rules, into, N_TEXTS * row + side, all.sides[side], losses.at, &list);
            write_marks(&list, rules->most_marks, &into->marks, &into->weights);
        }
    }
    buffer_write_int64(&into->mark_starts, into->weights.n / (int64_t)sizeof(double));
    bool is_done = room != NULL && !list.failed;
    free(room), free(list.at);
    return is_done && !into->said.failed && !into->mark_starts.failed && !into->marks.failed && !into->weights.failed
               ? 0
               : OUT_OF_MEMORY;
}

/* Work out what listings lose without what was asked for since the last time. */
static outcome weigh_more(const listings *of, const characters *known, const stage_tables *tables, double slope,
                          doubles log_odds, const named_words *words, buffer *losses) {
    int64_t first = losses->n / (int64_t)sizeof(double), n = words->rows.n / (int64_t)sizeof(int64_t) - first;
    const int64_t *rows = int64s_of(&words->rows) + first;
    text_changes changes = {{rows, n}, {int64s_of(&words->starts) + N_TEXTS * first, N_TEXTS * n + 1},
                            {int64s_of(&words->pieces), words->pieces.n / (int64_t)sizeof(int64_t)}};
    uint8_t *found = malloc((size_t)n + 1);
    outcome code = OUT_OF_MEMORY;
    if (found != NULL && buffer_reserve(losses, n * (int64_t)sizeof(double))) {
        double *lost = (double *)(void *)losses->at + first;
        code = weigh_changes(of, known, tables, changes, (doubles_out){lost, n}, (uint8s_out){found, n});
        for (int64_t i = 0; i < n; i++) lost[i] = slope * (log_odds.at[rows[i]] - lost[i]);
        losses->n += n * (int64_t)sizeof(double);
    }
    free(found);
    return code;
}

static doubles doubles_of(const buffer *of) {
    return (doubles){(const double *)(const void *)of->at, of->n / (int64_t)sizeof(double)};
}

/* Do what `choose_words` and `mark_words` do, from what the listings lose: their own log-odds less those without what
   was asked for, times a slope. Where pages of characters are missing, the words are of no use any more. */
EXPORT outcome name_words(const listings *of, const characters *known, const stage_tables *tables, double slope,
                          doubles log_odds, const naming *rules, const found_words *found, named_words *into,
                          doubles_out lost, int64s_out n_named) {
    REQUIRE(are_stage_tables(tables) && are_listings(of, tables) && are_characters(known));
    REQUIRE(log_odds.n == n_rows(of->titles));
    REQUIRE(is_naming(rules) && are_found_words(found) && n_texts(found->texts) == N_TEXTS * log_odds.n);
    REQUIRE(lost.n == log_odds.n * rules->n_groups && n_named.n == lost.n);
    buffer losses = {.n = 0};
    outcome code = weigh_more(of, known, tables, slope, log_odds, into, &losses);
    if (code == 0 && !lacks_pages(known)) code = choose_words(rules, found, doubles_of(&losses), into);
    if (code == 0 && !lacks_pages(known)) code = weigh_more(of, known, tables, slope, log_odds, into, &losses);
    if (code == 0 && !lacks_pages(known)) code = mark_words(rules, found, doubles_of(&losses), into, lost, n_named);
    free(losses.at);
    return code;
}
