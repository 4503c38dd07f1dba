/* Misspelt words of many texts at once.

   A text is walked once, and most are then done: their words are known or ordinary. Only one that has signs or gaps
   which do make a known word is written anew, first with the signs read, then with the gaps closed, and walked
   again. */
#include "spelling/spelling.h"

#include "base/letters.h"
#include "base/texts.h"
#include "spelling/known_words.h"
#include "spelling/slips.h"
#include "spelling/staying.h"

/* A word that is read as a known one. */
typedef struct {
    int64_t start, end, known;
} misspelt;

/* What texts are read with, and room to do it in for the longest of them. */
typedef struct {
    word_reader by;
    misspelt *words;
    int64_t *gaps; /* where those are that are closed */
    int64_t n_words, n_gaps;
    uint8_t *spelt, *joined; /* a text with its signs read, and one with its gaps closed */
} text_reader;

/* Words and gaps */

/* Take the letters and signs in a row from a place on; return all their codes together. */
static inline uint8_t take_run(const uint8_t *codes, const stretch *text, int64_t start, run *into) {
    int64_t at = start;
    uint64_t key = 0;
    uint8_t seen = 0;
    while (at < text->end && codes[text->data[at]] != 0) {
        uint8_t code = codes[text->data[at]];
        key = key << CODE_BITS | (code & CODE);
        seen |= code;
        at++;
    }
    *into = (run){start, at, key};
    return seen;
}

/* Note a word if it is read as another. */
static void walk_word(text_reader *reader, const stretch *text, const run *word, uint8_t seen) {
    const recent_words *recent = &reader->by.recent;
    int64_t size = word->end - word->start;
    if (size < 2) return;
    if (size <= SHORT_WORD && recent->keys[recent_slot(recent, word->key)] == word->key) return;
    int64_t known = read_word(reader->by.tables, text, word, seen, reader->by.scratch);
    if (known >= 0) reader->words[reader->n_words++] = (misspelt){word->start, word->end, known};
}

/* Find the words of a text that are read as others, and the gaps that are closed. */
static void walk(text_reader *reader, const stretch *text) {
    const word_letters *letters = &reader->by.tables->letters;
    const uint8_t *codes = letters->codes.at, *is_gap = letters->is_gap.at, *data = text->data;
    run piece = {text->start, text->start, 0}, found; /* the piece is empty where none stands before a gap */
    reader->n_words = reader->n_gaps = 0;
    for (int64_t at = text->start; at < text->end; at = found.end + 1) {
        uint8_t seen = take_run(codes, text, at, &found);
        walk_word(reader, text, &found, seen);
        bool is_apart = found.end > at && (found.end == text->end || is_gap[data[found.end]]) &&
                        (at == text->start || is_gap[data[at - 1]]);
        if (!is_apart) {
            piece.end = piece.start;
            continue;
        }
        if (piece.end > piece.start && is_closed(reader->by.tables, text, &piece, &found)) {
            reader->gaps[reader->n_gaps++] = piece.end;
        }
        piece = found;
    }
}

/* Write a text without the gaps that are closed; return its length. */
static int64_t close_gaps(const text_reader *reader, const stretch *text, uint8_t *written) {
    int64_t n = 0, next_gap = 0;
    for (int64_t at = text->start; at < text->end; at++) {
        if (next_gap < reader->n_gaps && reader->gaps[next_gap] == at) next_gap++;
        else written[n++] = text->data[at];
    }
    return n;
}

/* Signs */

/* Whether there is nothing but white space on either side. */
static bool stands_alone(uint8s kinds, const stretch *text, int64_t start, int64_t end) {
    if (start > text->start && !is_kind(kinds, letter_before(text->data, start, text->start), SPACE)) return false;
    return end == text->end || is_kind(kinds, letter_after(text->data, end, text->end), SPACE);
}

/* Whether letters and signs in a row make a known word with the signs read. */
static bool is_spelt(const spelling_tables *tables, const stretch *text, int64_t start, int64_t end,
                     const uint8_t *letters) {
    const uint64_t *known = tables->known.table.at;
    int64_t n = end - start;
    if (n < LEAST_LETTERS || n > (int64_t)known[LONGEST]) return false;
    if (!stands_alone(tables->letters.kinds, text, start, end)) return false;
    int64_t word = find_pair(&tables->known, tables->letters.codes.at, letters, n, letters, 0);
    return word >= (int64_t)known[FIRST_TARGET];
}

/* Write a text with signs read as letters where that makes a known word; say whether it does anywhere. */
static bool read_signs(const spelling_tables *tables, const stretch *text, uint8_t *written) {
    const uint8_t *letters = tables->letters.letters_of_signs.at, *is_sign = tables->letters.is_sign.at;
    const uint8_t *data = text->data;
    bool is_changed = false;
    int64_t at = text->start;
    while (at < text->end) {
        int64_t start = at;
        uint8_t *into = written + (start - text->start);
        bool has_sign = false;
        for (; at < text->end && data[at] < 0x80 && letters[data[at]] != 0; at++) {
            into[at - start] = letters[data[at]];
            has_sign |= is_sign[data[at]];
        }
        bool is_read = has_sign && is_spelt(tables, text, start, at, into);
        is_changed |= is_read;
        if (!is_read) memcpy(into, data + start, (size_t)(at - start));
        if (at < text->end) {
            into[at - start] = data[at];
            at++;
        }
    }
    return is_changed;
}

/* Texts */

/* Append a text with words read as others. */
static void write_read(const text_reader *reader, const stretch *text, buffer *written) {
    const uint8_t *lines = reader->by.tables->known.lines.at;
    int64_t at = text->start;
    for (int64_t i = 0; i < reader->n_words; i++) {
        const misspelt *word = &reader->words[i];
        buffer_write(written, text->data + at, word->start - at);
        buffer_write(written, lines + word->known, length_of(lines, word->known));
        at = word->end;
    }
    buffer_write(written, text->data + at, text->end - at);
}

/* Append a text as it is read if that is otherwise; say whether it is. */
static bool read_one(text_reader *reader, stretch text, bool may_change, bool has_sign, buffer *written) {
    bool is_changed = false;
    if (has_sign && read_signs(reader->by.tables, &text, reader->spelt)) {
        text = (stretch){reader->spelt, 0, text.end - text.start};
        is_changed = true;
    } else if (!may_change) {
        return false;
    }
    walk(reader, &text);
    if (reader->n_gaps > 0) {
        text = (stretch){reader->joined, 0, close_gaps(reader, &text, reader->joined)};
        is_changed = true;
        walk(reader, &text);
    }
    if (!is_changed && reader->n_words == 0) return false;
    write_read(reader, &text, written);
    return true;
}

/* Write which of the texts that may change do, and what they are then. */
static void read_some(text_reader *reader, texts folded, const uint8_t *may_change, const uint8_t *has_sign,
                      buffer *rows, buffer *ends, buffer *written) {
    const int64_t *offsets = folded.offsets.at;
    for (int64_t row = 0; row < folded.offsets.n - 1; row++) {
        if (!may_change[row] && !has_sign[row]) continue;
        const stretch text = {folded.data.at, offsets[row], offsets[row + 1]};
        if (!read_one(reader, text, may_change[row], has_sign[row], written)) continue;
        buffer_write_int64(rows, row);
        buffer_write_int64(ends, written->n);
    }
}

EXPORT void read_texts(texts folded, const spelling_tables *tables, buffer *rows, buffer *ends, buffer *written) {
    int64_t n_rows = folded.offsets.n - 1, longest = longest_text(folded), n_words = longest / 2 + 1;
    if (longest == 0) return;
    int64_t n_recent = count_recent(folded.offsets.at[n_rows] - folded.offsets.at[0]);
    int64_t n_scratch = room_for_sounds(&tables->known, longest);
    int64_t n_numbers = n_recent + 3 * n_words + longest, n_bytes = 2 * n_rows + n_scratch + 2 * longest;
    uint64_t *room = malloc(sizeof(uint64_t) * (size_t)n_numbers + (size_t)n_bytes);
    if (room == NULL) {
        rows->failed = 1;
        return;
    }
    uint8_t *may_change = (uint8_t *)(room + n_numbers), *has_sign = may_change + n_rows;
    memset(room, 0, sizeof(uint64_t) * (size_t)n_recent);
    memset(may_change, 0, (size_t)n_rows);
    text_reader reader = {
        .by = {tables, has_sign + n_rows, {room, (uint64_t)n_recent - 1}},
        .words = (misspelt *)(room + n_recent),
        .gaps = (int64_t *)(room + n_recent + 3 * n_words),
        .spelt = has_sign + n_rows + n_scratch,
        .joined = has_sign + n_rows + n_scratch + longest,
    };
    if (find_texts(&reader.by, folded, longest, may_change, has_sign)) {
        read_some(&reader, folded, may_change, has_sign, rows, ends, written);
    } else {
        rows->failed = 1;
    }
    free(room);
}

/* Whether a word of a text is known that is not short. */
static bool knows_a_word(const spelling_tables *tables, const stretch *text) {
    run found;
    for (int64_t at = text->start; at < text->end; at = found.end + 1) {
        uint8_t seen = take_run(tables->letters.codes.at, text, at, &found);
        if (found.end - at < LEAST_LETTERS - 1 || !is_in_words(&tables->known, tables, text, &found)) continue;
        if (is_whole_word(tables, text, &found, seen)) return true;
    }
    return false;
}

EXPORT void know_a_word(texts read, const spelling_tables *tables, uint8s_out knows) {
    for (int64_t row = 0; row < min_of(knows.n, read.offsets.n - 1); row++) {
        const stretch text = {read.data.at, read.offsets.at[row], read.offsets.at[row + 1]};
        knows.at[row] = knows_a_word(tables, &text);
    }
}
