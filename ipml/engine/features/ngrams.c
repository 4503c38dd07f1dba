/* N-grams of folded texts: counting them, and spreading their weights over letters. What the n-grams of a text are,
   hash_text says; the quicker sum in ngram_sums.c is held to it by tests. */
#include "features/ngrams.h"

#include <math.h>

#include "base/texts.h"
#include "features/ngram_hashes.h"
#include "features/ngram_sums.h"

enum { SPACE = 0x20 };
enum { ESCAPE = 65535 }; /* says: so much further, and no n-gram there */
enum { DIGIT_BITS = 9, DIGITS = 1 << DIGIT_BITS };

/* The shape of n-grams, and room for those of one text. */
typedef struct {
    uint64_t mask;
    int64_t letters_min, letters_max, words;
    int64_t n;
    uint32_t *columns, *other;
    int64_t *begins, *ends; /* first byte, and last byte excluded; NULL where nobody asks */
} ngrams;

/* An upper bound of the number of n-grams in a text of so many bytes. */
static int64_t most_ngrams(int64_t n_bytes, int64_t letters_min, int64_t letters_max, int64_t words) {
    int64_t sizes = max_of(min_of(letters_max, n_bytes + 2) - max_of(letters_min, 1) + 1, 0);
    return n_bytes * max_of(min_of(words, n_bytes), 0) + (n_bytes + 1) * sizes;
}

static ngrams ngrams_of(uint64_t mask, int64_t letters_min, int64_t letters_max, int64_t words) {
    return (ngrams){.mask = mask, .letters_min = letters_min, .letters_max = letters_max, .words = words};
}

/* Make room for the n-grams of any text of no more than so many bytes. */
static bool start_ngrams(ngrams *found, int64_t longest, bool has_places) {
    size_t most = (size_t)most_ngrams(longest, found->letters_min, found->letters_max, found->words) + 1;
    found->columns = malloc(most * sizeof *found->columns);
    found->other = malloc(most * sizeof *found->other);
    if (has_places) found->begins = malloc(most * sizeof *found->begins);
    if (has_places) found->ends = malloc(most * sizeof *found->ends);
    return found->columns != NULL && found->other != NULL &&
           (!has_places || (found->begins != NULL && found->ends != NULL));
}

static void end_ngrams(ngrams *found) {
    free(found->columns);
    free(found->other);
    free(found->begins);
    free(found->ends);
}

static inline void add_ngram(ngrams *found, uint64_t value, int64_t begin, int64_t end, bool has_places) {
    found->columns[found->n] = (uint32_t)column_of(value, found->mask);
    if (has_places) {
        found->begins[found->n] = begin;
        found->ends[found->n] = end;
    }
    found->n++;
}

/* Add the n-grams of letters that begin at a letter of a chunk, or at the space before it. */
static inline void hash_letters_from(ngrams *found, const uint8_t *data, int64_t start, int64_t end, int64_t position,
                                     bool has_places) {
    uint64_t value = FNV_OFFSET;
    int64_t letter = position;
    for (int64_t size = 1; size <= found->letters_max && letter <= end; size++) {
        if (letter < start || letter == end) {
            value = hash_byte(value, SPACE);
            letter++;
        } else {
            value = hash_byte(value, data[letter++]);
            while (letter < end && is_inner_byte(data[letter])) value = hash_byte(value, data[letter++]);
        }
        if (size >= found->letters_min)
            add_ngram(found, value, max_of(position, start), min_of(letter, end), has_places);
    }
}

/* Add the n-grams of letters of all chunks between spaces, a space on either side. */
static inline void hash_letters(ngrams *found, const uint8_t *data, int64_t start, int64_t end, bool has_places) {
    for (int64_t chunk = start, last; chunk < end; chunk = last + 1) {
        last = chunk;
        while (last < end && data[last] != SPACE) last++;
        if (last == chunk) continue;
        for (int64_t position = chunk - 1; position < last; position++) {
            if (position >= chunk && is_inner_byte(data[position])) continue;
            hash_letters_from(found, data, chunk, last, position, has_places);
        }
    }
}

static inline void hash_words(ngrams *found, const uint8_t *data, int64_t start, int64_t end, bool has_places) {
    int64_t position = start;
    while (position < end) {
        while (position < end && !is_word_byte(data[position])) position++;
        uint64_t value = WORD_OFFSET;
        int64_t letter = position, next_word = end;
        for (int64_t size = 1; size <= found->words && letter < end; size++) {
            while (letter < end && is_word_byte(data[letter])) value = hash_byte(value, data[letter++]);
            add_ngram(found, value, position, letter, has_places);
            while (letter < end && !is_word_byte(data[letter])) letter++;
            if (size == 1) next_word = letter;
            value = hash_byte(value, SPACE);
        }
        position = next_word;
    }
}

static inline void hash_all(ngrams *found, const uint8_t *data, int64_t start, int64_t end, bool has_places) {
    found->n = 0;
    if (found->letters_max > 0) hash_letters(found, data, start, end, has_places);
    if (found->words > 0) hash_words(found, data, start, end, has_places);
}

/* Write the columns of all n-grams of one text. */
static void hash_text(ngrams *found, texts of, int64_t row) {
    hash_all(found, of.data.at, of.offsets.at[row], of.offsets.at[row + 1], false);
}

/* Put columns in order by one digit; columns with the same digit stay as they are. */
static void sort_by_digit(ngrams *found, int64_t n, int64_t shift) {
    uint32_t starts[DIGITS] = {0}, *columns = found->columns, *sorted = found->other;
    for (int64_t i = 0; i < n; i++) starts[columns[i] >> shift & (DIGITS - 1)]++;
    uint32_t start = 0;
    for (int digit = 0; digit < DIGITS; digit++) {
        uint32_t count = starts[digit];
        starts[digit] = start;
        start += count;
    }
    for (int64_t i = 0; i < n; i++) sorted[starts[columns[i] >> shift & (DIGITS - 1)]++] = columns[i];
    found->other = columns;
    found->columns = sorted;
}

/* Put columns in order that nearly are. */
static void sort_the_rest(uint32_t *columns, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        uint32_t column = columns[i];
        int64_t to = i;
        for (; to > 0 && columns[to - 1] > column; to--) columns[to] = columns[to - 1];
        columns[to] = column;
    }
}

/* Put numbers in order by their last digit, then by the one before, and so on. */
static void sort_by_digits(ngrams *found, int64_t n, int64_t bits) {
    for (int64_t shift = 0; shift < bits; shift += DIGIT_BITS) sort_by_digit(found, n, shift);
}

/* Put columns in order: of few, which hashing spreads evenly, hardly any is out of place after their first digit. */
static void sort_columns(ngrams *found, int64_t n, int64_t bits) {
    if (n > DIGITS) {
        sort_by_digits(found, n, bits);
        return;
    }
    sort_by_digit(found, n, max_of(bits - DIGIT_BITS, 0));
    sort_the_rest(found->columns, n);
}

/* Write each column of a text once, and how often it occurs; return how many there are. */
static int64_t write_counts(const ngrams *found, int32_t *columns, double *counts) {
    const uint32_t *sorted = found->columns;
    int64_t used = 0;
    for (int64_t i = 0, n = found->n; i < n; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1]) {
            counts[used - 1] += 1.0;
        } else {
            columns[used] = (int32_t)sorted[i];
            counts[used++] = 1.0;
        }
    }
    return used;
}

/* Count the n-grams of each text, as a CSR matrix: row pointers; columns (int32_t), in order in a row; and counts
   (double). */
EXPORT outcome count_ngrams(texts of, int64_t bits, int64_t letters_min, int64_t letters_max, int64_t words,
                            int64s_out pointers, buffer *columns, buffer *counts) {
    REQUIRE(are_texts(of) && pointers.n == of.offsets.n && bits > 0 && bits < 32);
    ngrams found = ngrams_of(((uint64_t)1 << bits) - 1, letters_min, letters_max, words);
    bool is_done = start_ngrams(&found, longest_text(of), false);
    int64_t used = 0;
    pointers.at[0] = 0;
    for (int64_t row = 0; is_done && row + 1 < of.offsets.n; row++) {
        hash_text(&found, of, row);
        sort_columns(&found, found.n, bits);
        is_done = buffer_reserve(columns, found.n * (int64_t)sizeof(int32_t)) &&
                  buffer_reserve(counts, found.n * (int64_t)sizeof(double));
        if (!is_done) break;
        int64_t n = write_counts(&found, (int32_t *)(void *)(columns->at + columns->n),
                                 (double *)(void *)(counts->at + counts->n));
        columns->n += n * (int64_t)sizeof(int32_t);
        counts->n += n * (int64_t)sizeof(double);
        used += n;
        pointers.at[row + 1] = used;
    }
    end_ngrams(&found);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Count in how many texts the n-grams of each column occur; there are 2^bits. */
EXPORT outcome count_texts(texts of, int64_t bits, int64_t letters_min, int64_t letters_max, int64_t words,
                           int64s_out n_texts) {
    REQUIRE(are_texts(of) && bits > 0 && bits < 32 && n_texts.n == INT64_C(1) << bits);
    ngrams found = ngrams_of(((uint64_t)1 << bits) - 1, letters_min, letters_max, words);
    int64_t *latest = malloc(((size_t)1 << bits) * sizeof *latest);
    bool is_done = start_ngrams(&found, longest_text(of), false) && latest != NULL;
    for (int64_t column = 0; is_done && column < (int64_t)1 << bits; column++) {
        latest[column] = -1;
        n_texts.at[column] = 0;
    }
    for (int64_t row = 0; is_done && row + 1 < of.offsets.n; row++) {
        hash_text(&found, of, row);
        for (int64_t i = 0; i < found.n; i++) {
            uint32_t column = found.columns[i];
            n_texts.at[column] += latest[column] != row;
            latest[column] = row;
        }
    }
    end_ngrams(&found);
    free(latest);
    return is_done ? 0 : OUT_OF_MEMORY;
}

static const uint32_t UNKNOWN = UINT32_MAX;

/* Keep the columns of n-grams that are known, by their numbers. */
static void keep_known(ngrams *found, const uint32_t *numbers) {
    uint32_t *columns = found->columns;
    int64_t n = 0;
    for (int64_t i = 0; i < found->n; i++) {
        uint32_t number = numbers[columns[i]];
        columns[n] = number;
        n += number != UNKNOWN;
    }
    found->n = n;
}

/* Write columns as their distances, where there is room; return how many codes that takes. */
static int64_t write_codes(const ngrams *found, uint16_t *codes) {
    const uint32_t *columns = found->columns;
    int64_t used = 0, last = 0;
    for (int64_t i = 0, n = found->n; i < n; i++) {
        int64_t column = columns[i], distance = column - last;
        for (; distance >= ESCAPE; distance -= ESCAPE) codes[used++] = ESCAPE;
        codes[used++] = (uint16_t)distance;
        last = column;
    }
    return used;
}

/* Write the n-grams that have a number, UINT32_MAX being none, as codes (uint16_t), where each text's begin, and how
   many it has. */
EXPORT outcome encode_ngrams(texts of, uint32s numbers, int64_t bits, int64_t letters_min, int64_t letters_max,
                             int64_t words, buffer *codes, int64s_out starts, int64s_out n_known) {
    REQUIRE(are_texts(of) && bits > 0 && bits < 32 && numbers.n == INT64_C(1) << bits);
    REQUIRE(starts.n == of.offsets.n && n_known.n == n_rows(of));
    ngrams found = ngrams_of(((uint64_t)1 << bits) - 1, letters_min, letters_max, words);
    bool is_done = start_ngrams(&found, longest_text(of), false);
    int64_t n_numbers = 0, most_escapes = numbers.n / ESCAPE;
    for (int64_t column = 0; column < numbers.n; column++) n_numbers += numbers.at[column] != UNKNOWN;
    while (bits > 0 && (int64_t)1 << (bits - 1) >= n_numbers) bits--;
    starts.at[0] = 0;
    for (int64_t row = 0; is_done && row + 1 < of.offsets.n; row++) {
        hash_text(&found, of, row);
        keep_known(&found, numbers.at);
        sort_by_digits(&found, found.n, bits);
        is_done = buffer_reserve(codes, (found.n + most_escapes) * (int64_t)sizeof(uint16_t));
        if (!is_done) break;
        codes->n += write_codes(&found, (uint16_t *)(void *)(codes->at + codes->n)) * (int64_t)sizeof(uint16_t);
        starts.at[row + 1] = codes->n / (int64_t)sizeof(uint16_t);
        n_known.at[row] = found.n;
    }
    end_ngrams(&found);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Write the weights and a 0 after them; the last bit of each says whether its n-gram is known. */
EXPORT outcome mark_known(doubles weights, uint8s known, doubles_out marked) {
    REQUIRE(known.n == weights.n && marked.n == weights.n + 1);
    for (int64_t column = 0; column < weights.n; column++) {
        uint64_t bits;
        memcpy(&bits, weights.at + column, sizeof bits);
        bits = (bits & ~(uint64_t)1) | known.at[column];
        memcpy(marked.at + column, &bits, sizeof bits);
    }
    marked.at[weights.n] = 0.0;
    return 0;
}

EXPORT outcome sum_ngrams(texts of, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words,
                          doubles_out sums, int64s_out n_all, int64s_out n_known) {
    REQUIRE(are_texts(of) && are_marked(marked) && sums.n == n_rows(of) && n_all.n == sums.n && n_known.n == sums.n);
    if (words <= 1) return sum_chunks(of, marked, letters_min, letters_max, words, sums, n_all, n_known);
    ngrams found = ngrams_of(mask_of(marked), letters_min, letters_max, words);
    bool is_done = start_ngrams(&found, longest_text(of), false);
    for (int64_t row = 0; is_done && row + 1 < of.offsets.n; row++) {
        hash_text(&found, of, row);
        weighed total = weigh_columns(marked.at, found.columns, found.n);
        sums.at[row] = total.sum;
        n_all.at[row] = total.n_all;
        n_known.at[row] = total.n_known;
    }
    end_ngrams(&found);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Write the weight that each byte of one text carries; an n-gram shares its weight among its bytes. */
EXPORT outcome spread(uint8s data, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words,
                      doubles_out carried) {
    REQUIRE(are_marked(marked) && carried.n == data.n);
    ngrams found = ngrams_of(mask_of(marked), letters_min, letters_max, words);
    if (!start_ngrams(&found, data.n, true)) {
        end_ngrams(&found);
        return OUT_OF_MEMORY;
    }
    hash_all(&found, data.at, 0, data.n, true);
    int64_t n_known = 0;
    for (int64_t i = 0; i < found.n; i++) n_known += is_marked(marked.at[found.columns[i]]);
    for (int64_t byte = 0; byte < data.n; byte++) carried.at[byte] = 0.0;
    for (int64_t i = 0; i < found.n; i++) {
        int64_t begin = found.begins[i], end = found.ends[i];
        double share = marked.at[found.columns[i]] / (sqrt((double)max_of(n_known, 1)) * (double)(end - begin));
        for (int64_t byte = begin; byte < end; byte++) carried.at[byte] += share;
    }
    end_ngrams(&found);
    return 0;
}
