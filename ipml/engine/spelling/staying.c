/* What words of a text are read as, and the few texts in which one may be read as another.

   To find these, texts are looked at some at a time, in three steps without much to foretell in each: where their
   words are and what keys they have, which of these have to be asked for, and the answers. Words repeat: those that
   stay are remembered. */
#include "spelling/staying.h"

#include "base/letters.h"
#include "spelling/known_words.h"
#include "spelling/slips.h"

enum { BYTES_AT_ONCE = 1 << 13, MOST_RECENT = 1 << 15 };
enum { READS = 1, JOINS = 2 }; /* why a word is asked for: for itself, for what it makes with the one before */

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

bool is_whole_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen) {
    const uint8_t *codes = tables->letters.codes.at, *data = text->data;
    if (seen & CODE_OF_SIGN) {
        if ((codes[data[word->start]] | codes[data[word->end - 1]]) & CODE_OF_SIGN) return false;
        for (int64_t at = word->start + 1; at < word->end; at++) {
            if (codes[data[at]] & codes[data[at - 1]] & CODE_OF_SIGN) return false;
        }
    }
    return !is_beside_alnum(tables, text, word->start, word->end);
}

bool is_in_words(const word_set *words, const spelling_tables *tables, const stretch *text, const run *word) {
    const uint8_t *letters = text->data + word->start;
    return find_word(words, tables->letters.codes.at, word->key, letters, word->end - word->start) >= 0;
}

int64_t read_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen, uint8_t *scratch) {
    if (is_in_words(&tables->known, tables, text, word)) return STAYS;
    if (!is_whole_word(tables, text, word, seen)) return NO_WORD;
    if (is_in_words(&tables->ordinary, tables, text, word)) return STAYS;
    const uint8_t *letters = text->data + word->start;
    return find_nearest(&tables->known, &tables->letters, letters, word->end - word->start, scratch);
}

/* Whether a piece is a word by itself. */
static bool is_piece(const spelling_tables *tables, const stretch *text, const run *piece) {
    if (piece->end - piece->start < 2) return false;
    return is_in_words(&tables->known, tables, text, piece) || is_in_words(&tables->ordinary, tables, text, piece);
}

bool is_closed(const spelling_tables *tables, const stretch *text, const run *piece, const run *other) {
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

/* Texts */

/* What is worked out of some texts at a time. Where word i / 2 starts and ends is in places[i] and places[i + 1], its
   letters as a number, with others in front of it, in numbers[i + 1]. Those of a text end at `ends`. What is asked for
   is twice the number of a place, and a bit for each reason. */
typedef struct {
    uint64_t *places, *numbers;
    int64_t *ends, *asked;
} some_words;

int64_t count_recent(int64_t n_bytes) { return min_of(power_of_two(n_bytes), MOST_RECENT); }

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
            uint64_t class = classes[data[at]], code = class & CODE, is_in = code != 0;
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
        has_sign[row] = seen > CODE;
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
static int64_t choose_words(const word_reader *by, const some_words *words, int64_t end) {
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
    const uint64_t *known = by->tables->known.table.at, *ordinary = by->tables->ordinary.table.at;
    uint64_t *keys = by->recent.keys;
    int64_t *asked = words->asked, n = 0;
    for (int64_t j = 0; j < n_asked; j++) {
        int64_t i = asked[j] >> 1 & ~(int64_t)1;
        uint64_t key = key_at(words, i);
        bool stays = is_first(known, WORDS, key);
        stays |= is_first(ordinary, WORDS, key);
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
static void ask_words(word_reader *by, texts folded, int64_t first, const some_words *words, int64_t n_asked,
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

bool find_texts(word_reader *by, texts folded, int64_t longest, uint8_t *may_change, uint8_t *has_sign) {
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
        int64_t n = choose_words(by, &words, words.ends[last - first - 1]);
        n = drop_words(by, &words, n);
        ask_words(by, folded, first, &words, n, may_change);
        first = last;
    }
    free(room);
    return true;
}
