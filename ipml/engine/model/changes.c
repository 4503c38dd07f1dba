#include "model/changes.h"

#include "base/letters.h"

enum { MOST_BYTES_TOGETHER = 1 << 19 };

/* A column of texts: first those of the listings as they are, then those that are changed. */
typedef struct {
    texts own;
    buffer data;
    int64_t *offsets, *owners, *chosen;
    int64_t n;
} column;

static void write_without(buffer *into, texts of, int64_t row, const int64_t *pieces, int64_t n) {
    int64_t at = of.offsets.at[row], end = of.offsets.at[row + 1], letter = 0;
    for (int64_t i = 0; i < 2 * n; i++) {
        int64_t kept = at;
        for (; letter < pieces[i] && at < end; letter++) at += size_of_letter(of.data.at[at]);
        if (i % 2 == 0) buffer_write(into, of.data.at + kept, at - kept);
    }
    buffer_write(into, of.data.at + at, end - at);
}

/* Begin a column with the texts of some listings; `room` is for all its numbers. */
static column begin_column(texts own, int64_t n_changes, int64_t *room) {
    int64_t n = own.offsets.n - 1;
    column of = {.own = own, .offsets = room, .n = n};
    of.owners = room + n + n_changes + 1;
    of.chosen = of.owners + n + n_changes;
    buffer_write(&of.data, own.data.at, own.data.n);
    for (int64_t i = 0; i <= n; i++) of.offsets[i] = own.offsets.at[i];
    for (int64_t i = 0; i < n; i++) of.owners[i] = i;
    return of;
}

/* Write the text of a listing as a change leaves it. */
static void change_text(column *of, int64_t row, int64_t change, text_changes all, int64_t start, int64_t end) {
    of->chosen[change] = row;
    if (start == end) return;
    write_without(&of->data, of->own, row, all.pieces.at + 2 * start, end - start);
    of->chosen[change] = of->n;
    of->owners[of->n] = row;
    of->offsets[++of->n] = of->data.n;
}

static texts texts_of(const column *of) { return (texts){{of->offsets, of->n + 1}, {of->data.at, of->data.n}}; }

/* Weigh what some changes leave of their listings. */
static outcome weigh_some(const listings *of, text_changes changes, int64_t first, int64_t last,
                          const characters *known, const stage_tables *tables, stage_results into) {
    int64_t first_row = changes.rows.at[first], n = last - first, n_own = changes.rows.at[last - 1] - first_row + 1;
    int64_t size = 2 * n_own + 3 * n + 1;
    int64_t *room = malloc((size_t)(2 * size + 2 * (n_own + 1)) * sizeof *room);
    if (room == NULL) return OUT_OF_MEMORY;
    listings some = cut_listings(of, first_row, n_own, room + 2 * size);
    column titles = begin_column(some.titles, n, room), descriptions = begin_column(some.descriptions, n, room + size);
    for (int64_t i = 0; i < n; i++) {
        const int64_t *starts = changes.starts.at + 2 * (first + i);
        int64_t row = changes.rows.at[first + i] - first_row;
        change_text(&titles, row, i, changes, starts[0], starts[1]);
        change_text(&descriptions, row, i, changes, starts[1], starts[2]);
    }
    listing_texts written = {
        texts_of(&titles), texts_of(&descriptions), titles.owners, descriptions.owners,
        n, titles.chosen, descriptions.chosen,
    };
    bool has_failed = titles.data.failed || descriptions.data.failed;
    outcome code = has_failed ? OUT_OF_MEMORY : weigh_texts(&some, &written, known, tables, into);
    free(titles.data.at), free(descriptions.data.at), free(room);
    return code;
}

/* Where a block of changes ends: their texts are about so long that what is read of them stays in the cache. */
static int64_t end_of_block(const listings *of, text_changes changes, int64_t first) {
    int64_t last = first, n_bytes = 0;
    while (last < changes.rows.n && n_bytes < MOST_BYTES_TOGETHER) {
        const int64_t *starts = changes.starts.at + 2 * last;
        const int64_t *title = of->titles.offsets.at + changes.rows.at[last];
        const int64_t *description = of->descriptions.offsets.at + changes.rows.at[last];
        if (starts[1] > starts[0]) n_bytes += title[1] - title[0];
        if (starts[2] > starts[1]) n_bytes += description[1] - description[0];
        last++;
    }
    return last;
}

EXPORT outcome weigh_changes(const listings *of, const characters *known, const stage_tables *tables,
                             text_changes changes, doubles_out log_odds, uint8s_out found) {
    REQUIRE(are_stage_tables(tables) && are_listings(of, tables) && are_characters(known));
    REQUIRE(log_odds.n == changes.rows.n && found.n == changes.rows.n && are_below(changes.rows, n_rows(of->titles)));
    REQUIRE(changes.starts.n == 2 * changes.rows.n + 1 && are_lists(changes.starts, changes.pieces.n / 2));
    for (int64_t first = 0, last = 0; first < changes.rows.n; first = last) {
        last = end_of_block(of, changes, first);
        stage_results into = {.log_odds = log_odds.at + first, .found = found.at + first};
        if (weigh_some(of, changes, first, last, known, tables, into) < 0) return OUT_OF_MEMORY;
    }
    return 0;
}
