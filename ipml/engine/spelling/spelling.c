/* Misspelt words of many texts at once.

   A text is looked at once, and most are then done: their words are known or ordinary. To find the few in which a word
   may be read as another, texts are looked at some at a time, in three steps without much to foretell in each: where
   their words are and what keys they have, which of these have to be asked for, and the answers. Words repeat: those
   that stay are remembered.

   Only a text that has signs or gaps which do make a known word is written anew, first with the signs read, then with
   the gaps closed. */
#include "spelling/spelling.h"

#include "base/letters.h"
#include "base/texts.h"
#include "spelling/known_words.h"
#include "spelling/words.h"

enum { BYTES_AT_ONCE = 1 << 13, MOST_RECENT = 1 << 15 };
enum { READS = 1, JOINS = 2 }; /* why a word is asked for: for itself, for what it makes with the one before */
enum { STAYS = -1, NO_WORD = -2 };

/* A text, or what is written anew of one, between whose bytes words are looked for. */
typedef struct {
    const uint8_t *data;
    int64_t start, end;
} stretch;

/* Some letters and signs of a text in a row. */
typedef struct {
    int64_t start, end;
    uint64_t key; /* the letters as a number, or at least the last of them where they are many */
} run;

/* Short words that stay, each in the place that its key says; a word may drive out another. */
typedef struct {
    uint64_t *keys;
    uint64_t mask;
} recent_words;

static inline uint64_t recent_slot(const recent_words *recent, uint64_t key) {
    return spread_key(key) >> 32 & recent->mask;
}

/* What words are read with: tables, room for their sounds, and what is remembered of them. */
typedef struct {
    const spelling_tables *tables;
    uint8_t *scratch;
    recent_words recent;
} word_reader;

/* Words and pieces */

/* Whether what stands between two places of a text has a letter or digit on either side. */
static bool is_beside_alnum(const spelling_tables *tables, const stretch *text, int64_t before, int64_t after) {
    if (before > text->start && text->data[before - 1] != ' ' &&
        is_kind(tables->letters.kinds, letter_before(text->data, before, text->start), ALNUM)) {
        return true;
    }
    return after < text->end && text->data[after] != ' ' &&
           is_kind(tables->letters.kinds, letter_after(text->data, after, text->end), ALNUM);
}

/* Whether a run is a word: signs only between letters, no letter or digit beside it. `seen` is the codes of all its
   letters together. */
static bool is_whole_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen) {
    const uint8_t *codes = tables->letters.codes.at, *data = text->data;
    if (seen & CODE_OF_SIGN) {
        if ((codes[data[word->start]] | codes[data[word->end - 1]]) & CODE_OF_SIGN) return false;
        for (int64_t at = word->start + 1; at < word->end; at++) {
            if (codes[data[at]] & codes[data[at - 1]] & CODE_OF_SIGN) return false;
        }
    }
    return !is_beside_alnum(tables, text, word->start, word->end);
}

static bool is_in_words(const word_set *words, const spelling_tables *tables, const stretch *text, const run *word) {
    const uint8_t *letters = text->data + word->start;
    return find_word(words, tables->letters.codes.at, word->key, letters, word->end - word->start) >= 0;
}

/* Say what a run is among ordinary words. */
static int64_t find_among_ordinary(const spelling_tables *tables, const stretch *text, const run *word) {
    int64_t n = word->end - word->start;
    uint64_t key = n <= SHORT_WORD ? word->key : key_of_word(tables->letters.codes.at, text->data + word->start, n);
    return find_ordinary(&tables->ordinary, key);
}

/* Return the known word for which a run stands; STAYS if for none, NO_WORD if it is no word. */
static int64_t read_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen,
                         uint8_t *scratch) {
    if (is_in_words(&tables->known, tables, text, word)) return STAYS;
    if (!is_whole_word(tables, text, word, seen)) return NO_WORD;
    if (find_among_ordinary(tables, text, word) != NOT_ORDINARY) return STAYS;
    const uint8_t *letters = text->data + word->start;
    return find_nearest(&tables->known, &tables->letters, letters, word->end - word->start, scratch);
}

/* Return whether a piece is a whole word; of ordinary ones only those that occur in any text. */
static bool is_piece(const spelling_tables *tables, const stretch *text, const run *piece) {
    if (piece->end - piece->start < 2) return false;
    return is_in_words(&tables->known, tables, text, piece) || find_among_ordinary(tables, text, piece) == EVERYDAY;
}

/* Whether two pieces on either side of a gap are one known word, and not two words. */
static bool is_closed(const spelling_tables *tables, const stretch *text, const run *piece, const run *other) {
    const uint64_t *known = tables->known.table.at;
    const uint8_t *codes = tables->letters.codes.at, *data = text->data;
    int64_t size = piece->end - piece->start, other_size = other->end - other->start, n = size + other_size;
    if (n < LEAST_LETTERS || n > (int64_t)known[LONGEST]) return false;
    uint64_t joined = other->key;
    if (other_size < SHORT_WORD) joined |= piece->key << (CODE_BITS * other_size);
    if (!may_have(known, MAY_BE_JOINED, joined_key(joined, n))) return false;
    if ((codes[data[piece->end - 1]] | codes[data[other->start]]) & CODE_OF_SIGN) return false;
    int64_t word = find_pair(&tables->known, codes, data + piece->start, size, data + other->start, other_size);
    if (word < (int64_t)known[FIRST_TARGET]) return false;
    return !(is_piece(tables, text, piece) && is_piece(tables, text, other));
}

/* Texts in which a word may be read as another */

/* What is worked out of some texts at a time. Where word i / 2 starts and ends is in places[i] and places[i + 1], its
   letters as a number, with others in front of it, in numbers[i + 1]. Those of a text end at `ends`. What is asked for
   is twice the number of a place, and a bit for each reason. */
typedef struct {
    uint64_t *places, *numbers;
    int64_t *ends, *asked;
} some_words;

/* How many short words are remembered of so many bytes of text. */
static int64_t count_recent(int64_t n_bytes) { return min_of(power_of_two(n_bytes), MOST_RECENT); }

/* Write where each word of some texts is, and its number. There are no branches in the loop, since it cannot be
   foretold where words end. */
static void find_words(texts folded, const uint8_t *classes, int64_t first, int64_t last, const some_words *into,
                       uint8_t *has_sign) {
    const uint8_t *data = folded.data.at;
    uint64_t *places = into->places, *numbers = into->numbers;
    int64_t n = 0;
    for (int64_t row = first; row < last; row++) {
        int64_t end = folded.offsets.at[row + 1];
        uint64_t number = 0, was_in = 0, seen = 0;
        for (int64_t at = folded.offsets.at[row]; at < end; at++) {
            uint64_t class = classes[data[at]], code = class & CODE_OF_LETTER, is_in = code != 0;
            places[n] = (uint64_t)at;
            numbers[n] = number;
            n += (int64_t)(is_in ^ was_in);
            number = number << CODE_BITS | code;
            seen |= class;
            was_in = is_in;
        }
        places[n] = (uint64_t)end;
        numbers[n] = number;
        n += (int64_t)was_in;
        into->ends[row - first] = n;
        has_sign[row] = seen > CODE_OF_LETTER;
    }
}

/* How many bits the letters of a word take in a number that holds its last ones only, if it is long. */
static inline uint64_t shift_over(uint64_t size) { return CODE_BITS * (size < SHORT_WORD ? size : SHORT_WORD); }

/* The letters of a word as a number, only its last ones if it is long. */
static inline uint64_t key_at(const some_words *words, int64_t i) {
    uint64_t size = words->places[i + 1] - words->places[i];
    return words->numbers[i + 1] & (((uint64_t)1 << shift_over(size)) - 1);
}

/* Write which words are to be asked for and why; return how many they are. Two words are one only if both stand between
   gaps, which is looked at later. */
static int64_t list_words_to_look_up(const word_reader *by, const some_words *words, int64_t end) {
    const uint64_t *known = by->tables->known.table.at, *places = words->places;
    const recent_words recent = by->recent;
    int64_t *asked = words->asked, n = 0;
    uint64_t before_end = 0, before_size = 0, before_key = 0;
    for (int64_t i = 0; i < end; i += 2) {
        uint64_t begin = places[i], stop = places[i + 1], size = stop - begin, shift = shift_over(size);
        uint64_t key = words->numbers[i + 1] & (((uint64_t)1 << shift) - 1);
        bool reads = (size > 1) & ((recent.keys[recent_slot(&recent, key)] != key) | (size > SHORT_WORD));
        uint64_t joined = joined_key(before_key << shift | key, (int64_t)(before_size + size));
        bool joins = (begin == before_end + 1) & may_have(known, MAY_BE_JOINED, joined);
        asked[n] = i << 1 | READS * reads | JOINS * joins;
        n += reads | joins;
        before_end = stop, before_size = size, before_key = key;
    }
    return n;
}

/* Remember those words that one look at a table knows, and no longer ask for them; return how many are left. Tables are
   large: without a branch, the next look need not wait until one has arrived. */
static int64_t drop_words(word_reader *by, const some_words *words, int64_t n_asked) {
    const uint64_t *known = by->tables->known.table.at;
    const ordinary_words ordinary = by->tables->ordinary;
    uint64_t *keys = by->recent.keys;
    int64_t *asked = words->asked, n = 0;
    for (int64_t j = 0; j < n_asked; j++) {
        int64_t i = asked[j] >> 1 & ~(int64_t)1;
        uint64_t key = key_at(words, i);
        bool stays = is_first(known, WORDS, key);
        stays |= find_ordinary(&ordinary, key) != NOT_ORDINARY;
        stays &= words->places[i + 1] - words->places[i] <= SHORT_WORD;
        uint64_t slot = recent_slot(&by->recent, key), all = -(uint64_t)stays;
        keys[slot] = (key & all) | (keys[slot] & ~all);
        int64_t left = asked[j] & ~(int64_t)(READS * stays);
        asked[n] = left;
        n += (left & (READS | JOINS)) != 0;
    }
    return n;
}

static run run_at(const some_words *words, int64_t i) {
    return (run){(int64_t)words->places[i], (int64_t)words->places[i + 1], key_at(words, i)};
}

/* Whether a word is read as another one; remember it if it stays. */
static bool is_read(word_reader *by, const stretch *text, run word) {
    const uint8_t *codes = by->tables->letters.codes.at;
    bool is_short = word.end - word.start <= SHORT_WORD;
    uint64_t *remembered = &by->recent.keys[recent_slot(&by->recent, word.key)];
    if (is_short && *remembered == word.key) return false; /* since it was chosen */
    uint8_t seen = 0;
    for (int64_t at = word.start; at < word.end; at++) seen |= codes[text->data[at]];
    int64_t found = read_word(by->tables, text, &word, seen, by->scratch);
    if (found == STAYS && is_short) *remembered = word.key;
    return found >= 0;
}

/* Whether a word and the one before it, with a gap between them and on either side, are one. */
static bool is_joined(const spelling_tables *tables, const stretch *text, run before, run word) {
    const uint8_t *is_gap = tables->letters.is_gap.at, *data = text->data;
    if (before.start > text->start && !is_gap[data[before.start - 1]]) return false;
    if (!is_gap[data[before.end]] || (word.end < text->end && !is_gap[data[word.end]])) return false;
    return is_closed(tables, text, &before, &word);
}

/* Note which texts have a word that is read as another, or two that are one; remember what stays. */
static void look_up_words(word_reader *by, texts folded, int64_t first, const some_words *words, int64_t n_asked,
                      uint8_t *may_change) {
    int64_t row = first;
    for (int64_t j = 0; j < n_asked; j++) {
        int64_t i = words->asked[j] >> 1 & ~(int64_t)1;
        while (i >= words->ends[row - first]) row++;
        const stretch text = {folded.data.at, folded.offsets.at[row], folded.offsets.at[row + 1]};
        if (words->asked[j] & READS) may_change[row] |= is_read(by, &text, run_at(words, i));
        int64_t from = row > first ? words->ends[row - first - 1] : 0;
        if (words->asked[j] & JOINS && i - 2 >= from) {
            may_change[row] |= is_joined(by->tables, &text, run_at(words, i - 2), run_at(words, i));
        }
    }
}

/* Say which texts have words that are read as others, or gaps that are closed, and which have signs; remember which
   short words stay. `may_change` is false at first. False if memory ran out. */
static bool find_texts(word_reader *by, texts folded, int64_t longest, uint8_t *may_change, uint8_t *has_sign) {
    const int64_t *offsets = folded.offsets.at;
    int64_t n_rows = folded.offsets.n - 1;
    /* A text of one letter has two places. */
    int64_t most = min_of(offsets[n_rows] - offsets[0] + n_rows, BYTES_AT_ONCE + longest + 1) + 2;
    int64_t n_ends = min_of(n_rows, most), n_asked = most / 2 + 1;
    uint64_t *room = malloc(sizeof(uint64_t) * (size_t)(2 * most + n_ends + n_asked));
    if (room == NULL) return false;
    int64_t *ends = (int64_t *)(room + 2 * most);
    const some_words words = {room, room + most, ends, ends + n_ends};
    int64_t first = 0;
    while (first < n_rows) {
        int64_t last = first + 1;
        while (last < n_rows && offsets[last + 1] + last + 1 - offsets[first] - first < BYTES_AT_ONCE) last++;
        find_words(folded, by->tables->letters.classes.at, first, last, &words, has_sign);
        int64_t n = list_words_to_look_up(by, &words, words.ends[last - first - 1]);
        n = drop_words(by, &words, n);
        look_up_words(by, folded, first, &words, n, may_change);
        first = last;
    }
    free(room);
    return true;
}

/* Texts that may change */

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
    buffer *origins;         /* from which byte each of those comes that are written; NULL where nobody asks */
    int64_t first, *kept;    /* where the text begins, and where each byte comes from of one with its gaps closed */
} text_reader;

/* Words and gaps */

/* Take the letters and signs in a row from a place on; return all their codes together. */
static inline uint8_t take_run(const uint8_t *codes, const stretch *text, int64_t start, run *into) {
    int64_t at = start;
    uint64_t key = 0;
    uint8_t seen = 0;
    while (at < text->end && codes[text->data[at]] != 0) {
        uint8_t code = codes[text->data[at]];
        key = key << CODE_BITS | (code & CODE_OF_LETTER);
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
static int64_t close_gaps(const text_reader *reader, const stretch *text) {
    int64_t n = 0, next_gap = 0;
    for (int64_t at = text->start; at < text->end; at++) {
        if (next_gap < reader->n_gaps && reader->gaps[next_gap] == at) {
            next_gap++;
            continue;
        }
        if (reader->origins != NULL) reader->kept[n] = reader->first + at - text->start;
        reader->joined[n++] = text->data[at];
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

/* Append some letters, and that each comes from the byte at its place from a start on, or from the last one before an
   end. */
static void write_some(const text_reader *reader, const stretch *text, int64_t start, int64_t end,
                       const uint8_t *letters, int64_t n, buffer *written) {
    buffer_write(written, letters, n);
    if (reader->origins == NULL) return;
    for (int64_t at = start; at < start + n; at++) {
        int64_t from = min_of(at, end - 1);
        bool is_joined = text->data == reader->joined;
        buffer_write_int64(reader->origins, is_joined ? reader->kept[from] : reader->first + from - text->start);
    }
}

static void write_read(const text_reader *reader, const stretch *text, buffer *written) {
    const uint8_t *lines = reader->by.tables->known.lines.at;
    int64_t at = text->start;
    for (int64_t i = 0; i < reader->n_words; i++) {
        const misspelt *word = &reader->words[i];
        write_some(reader, text, at, word->start, text->data + at, word->start - at, written);
        int64_t n = length_of(lines, word->known);
        write_some(reader, text, word->start, word->end, lines + word->known, n, written);
        at = word->end;
    }
    write_some(reader, text, at, text->end, text->data + at, text->end - at, written);
}

/* Append a text as it is read if that is otherwise; say whether it is. */
static bool read_one(text_reader *reader, stretch text, bool may_change, bool has_sign, buffer *written) {
    bool is_changed = false;
    reader->first = text.start;
    if (has_sign && read_signs(reader->by.tables, &text, reader->spelt)) {
        text = (stretch){reader->spelt, 0, text.end - text.start};
        is_changed = true;
    } else if (!may_change) {
        return false;
    }
    walk(reader, &text);
    if (reader->n_gaps > 0) {
        text = (stretch){reader->joined, 0, close_gaps(reader, &text)};
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

/* Write also from which byte of the folded texts each new one comes (int64), unless there is no buffer for it. */
EXPORT outcome read_with_origins(texts folded, const spelling_tables *tables, buffer *rows, buffer *ends,
                                 buffer *written, buffer *origins) {
    REQUIRE(are_texts(folded) && are_spelling_tables(tables));
    int64_t n_rows = folded.offsets.n - 1, longest = longest_text(folded), n_words = longest / 2 + 1;
    if (longest == 0) return 0;
    int64_t n_recent = count_recent(folded.offsets.at[n_rows] - folded.offsets.at[0]);
    int64_t n_scratch = room_for_sounds(&tables->known, longest);
    int64_t n_numbers = n_recent + 3 * n_words + 2 * longest, n_bytes = 2 * n_rows + n_scratch + 2 * longest;
    uint64_t *room = malloc(sizeof(uint64_t) * (size_t)n_numbers + (size_t)n_bytes);
    if (room == NULL) {
        rows->failed = 1;
        return 0;
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
        .origins = origins,
        .kept = (int64_t *)(room + n_recent + 3 * n_words) + longest,
    };
    if (find_texts(&reader.by, folded, longest, may_change, has_sign)) {
        read_some(&reader, folded, may_change, has_sign, rows, ends, written);
    } else {
        rows->failed = 1;
    }
    free(room);
    return 0;
}

EXPORT outcome read_texts(texts folded, const spelling_tables *tables, buffer *rows, buffer *ends, buffer *written) {
    return read_with_origins(folded, tables, rows, ends, written, NULL);
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

/* Say of each text, folded and read, whether it holds a longer word that is known; ordinary words are not looked at. */
EXPORT outcome know_a_word(texts read, const spelling_tables *tables, uint8s_out knows) {
    REQUIRE(are_texts(read) && are_spelling_tables(tables) && knows.n == n_rows(read));
    for (int64_t row = 0; row < min_of(knows.n, read.offsets.n - 1); row++) {
        const stretch text = {read.data.at, read.offsets.at[row], read.offsets.at[row + 1]};
        knows.at[row] = knows_a_word(tables, &text);
    }
    return 0;
}
