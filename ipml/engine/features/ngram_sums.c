/* What the n-grams of texts weigh together. No n-gram of letters and no single word crosses a space: what a text weighs
   is what its chunks between spaces weigh. What a chunk weighs is kept in a table, and not worked out again as long as
   no other chunk has taken its place. */
#include "features/ngram_sums.h"

#include "base/texts.h"
#include "features/ngram_hashes.h"
#include "features/ngrams.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of eight bytes is the lowest of a number");

enum { MOST_BITS = 14 };          /* of a place in the table, which shares a processor's caches with the weights */
enum { MOST_BITS_OF_TEXTS = 16 }; /* the same where whole texts are kept */
enum { MOST_KEPT = 255 }; /* bytes of a chunk in the table, so that what is kept of it fits in half a line of a cache */
enum { SPACE = 0x20 };
enum { AT_ONCE = 64 }; /* bytes in which spaces are looked for */

static inline uint64_t eight_bytes(const uint8_t *at) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* The bytes from a place to the end of some data, at most eight; the others are 0. */
static inline uint64_t last_bytes(const uint8_t *at, int64_t n) {
    uint64_t bytes = 0;
    memcpy(&bytes, at, (size_t)min_of(n, 8));
    return bytes;
}

/* The first eight bytes of a chunk, or all that it has; `room` is how many there are from its first to the end of the
   data. */
static inline uint64_t first_eight(const uint8_t *chunk, int64_t size, int64_t room) {
    if (size >= 8) return eight_bytes(chunk);
    uint64_t bytes = room >= 8 ? eight_bytes(chunk) : last_bytes(chunk, room);
    return bytes & ~(uint64_t)0 >> (64 - 8 * size);
}

/* The last eight bytes of a chunk whose first ones are known. */
static inline uint64_t last_eight(const uint8_t *chunk, int64_t size, uint64_t first) {
    return size >= 8 ? eight_bytes(chunk + size - 8) : first;
}

/* The place of a chunk in a table with 2^bits places. */
static inline int64_t place_of(uint64_t first, uint64_t last, int64_t bits) {
    return (int64_t)(((first * 0xFF51AFD7ED558CCD ^ last) * 0xC4CEB9FE1A85EC53) >> (64 - bits));
}

/* How many bits a place has in a table for texts of so many bytes. */
static inline int64_t bits_of_places(int64_t n_bytes, int64_t most_bits) {
    int64_t bits = 4; /* places for as many as a few chunks have bytes, 32 */
    while (bits < most_bits && (int64_t)32 << bits < n_bytes) bits++;
    return bits;
}

/* A chunk in the table. It is known by its first eight bytes, its size, and its last eight; by where it stands in the
   texts where there are others between them. */
typedef struct {
    uint64_t first, rest;
    double sum;
    uint64_t size : 8, n_all : 28, n_known : 28;
} kept_chunk;

/* What chunks are weighed with. */
typedef struct {
    uint8s data;
    const double *marked;
    uint64_t mask;
    int64_t letters_min, letters_max, words;
    kept_chunk *table;
    int64_t bits;
    uint8_t *letters;  /* room for the longest chunk and a space on either side */
    int64_t *starts;   /* for where each of its letters begins */
    uint32_t *columns; /* and for the columns of its n-grams */
} scale;

static inline void add_column(const scale *with, weighed *to, uint64_t value) {
    double weight = with->marked[column_of(value, with->mask)];
    to->sum += weight;
    to->n_all++;
    to->n_known += is_marked(weight);
}

/* Write the columns of the n-grams of letters in ASCII that begin at one of them; return where the next are written. */
static inline __attribute__((always_inline)) uint32_t *find_from(const scale *with, const uint8_t *letters,
                                                                 int64_t shortest, int64_t longest, uint32_t *to) {
    uint64_t value = FNV_OFFSET;
    for (int64_t size = 1; size <= longest; size++) {
        value = hash_byte(value, letters[size - 1]);
        if (size < shortest) continue;
        *to = (uint32_t)column_of(value, with->mask);
        __builtin_prefetch(with->marked + *to++);
    }
    return to;
}

/* Add what n-grams weigh that begin at the same letter; return where the columns of the next ones are. */
static inline __attribute__((always_inline)) const uint32_t *add_from(const scale *with, const uint32_t *columns,
                                                                      int64_t n, weighed *to) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double weight = with->marked[columns[i]];
        sum += weight;
        to->n_known += is_marked(weight);
    }
    to->sum += sum;
    to->n_all += n;
    return columns + n;
}

/* Return what the n-grams of letters in ASCII weigh, n bytes with a space on either side: the columns of all are found
   before the first weight is waited for. */
static inline __attribute__((always_inline)) weighed weigh_ascii(const scale *with, int64_t n, int64_t shortest,
                                                                 int64_t longest) {
    const uint8_t *letters = with->letters;
    int64_t n_full = max_of(n - max_of(longest, 2) + 1, 0); /* letters at which n-grams of all sizes begin */
    uint32_t *to = with->columns;
    for (int64_t at = 0; at < n_full; at++) to = find_from(with, letters + at, shortest, longest, to);
    for (int64_t left = longest - 1; left > 1; left--)
        if (left <= n) to = find_from(with, letters + n - left, shortest, left, to);
    weighed total = {0.0, 0, 0};
    const uint32_t *from = with->columns;
    for (int64_t at = 0; at < n_full; at++) from = add_from(with, from, max_of(longest - shortest + 1, 0), &total);
    for (int64_t left = longest - 1; left > 1; left--)
        if (left <= n) from = add_from(with, from, max_of(left - shortest + 1, 0), &total);
    return total;
}

/* Write where each letter of n bytes begins, with a space on either side, and where the last one ends; return how many
   there are. */
static inline int64_t find_letters(const uint8_t *letters, int64_t n, int64_t *starts) {
    int64_t n_letters = 0;
    for (int64_t at = 0; at < n; at++) {
        starts[n_letters] = at;
        n_letters += at <= 1 || !is_inner_byte(letters[at]);
    }
    starts[n_letters] = n;
    return n_letters;
}

/* Return what the n-grams of any letters weigh; n bytes with a space on either side. */
static weighed weigh_letters(const scale *with, int64_t n, int64_t shortest, int64_t longest) {
    const uint8_t *letters = with->letters;
    const int64_t *starts = with->starts;
    int64_t n_letters = find_letters(letters, n, with->starts);
    uint32_t *to = with->columns;
    for (int64_t first = 0; first + 1 < n_letters; first++) {
        if (first == 1 && is_inner_byte(letters[1])) continue;
        uint64_t value = FNV_OFFSET;
        int64_t at = starts[first];
        for (int64_t size = 1; size <= longest && first + size <= n_letters; size++) {
            for (int64_t end = starts[first + size]; at < end; at++) value = hash_byte(value, letters[at]);
            if (size < shortest) continue;
            *to = (uint32_t)column_of(value, with->mask);
            __builtin_prefetch(with->marked + *to++);
        }
    }
    return weigh_columns(with->marked, with->columns, to - with->columns);
}

/* Add what the single words of a chunk weigh. */
static inline void add_words(const scale *with, const uint8_t *chunk, int64_t size, weighed *to) {
    uint64_t value = WORD_OFFSET;
    bool was_word = false;
    for (int64_t at = 0; at < size; at++) {
        bool is_word = is_word_byte(chunk[at]);
        if (was_word && !is_word) add_column(with, to, value);
        value = is_word ? hash_byte(value, chunk[at]) : WORD_OFFSET;
        was_word = is_word;
    }
    if (was_word) add_column(with, to, value);
}

/* Write a chunk with a space on either side; return whether all of it is ASCII. */
static inline bool write_letters(const uint8_t *chunk, int64_t size, uint64_t first, uint64_t last, uint8_t *letters) {
    uint64_t joined = first | last;
    memcpy(letters + 1, &first, sizeof first);
    if (size > 8) memcpy(letters + size - 7, &last, sizeof last);
    for (int64_t at = 8; at + 8 < size; at += 8) {
        uint64_t bytes = eight_bytes(chunk + at);
        memcpy(letters + 1 + at, &bytes, sizeof bytes);
        joined |= bytes;
    }
    letters[0] = letters[size + 1] = SPACE;
    return (joined & 0x8080808080808080) == 0;
}

static weighed weigh_chunk(const scale *with, const uint8_t *chunk, int64_t size, uint64_t first, uint64_t last) {
    weighed total = {0.0, 0, 0};
    int64_t n = size + 2, shortest = max_of(with->letters_min, 1), longest = min_of(with->letters_max, n);
    if (longest > 0) {
        if (!write_letters(chunk, size, first, last, with->letters))
            total = weigh_letters(with, n, shortest, longest);
        else if (with->letters_min == 2 && with->letters_max == 5)
            total = weigh_ascii(with, n, 2, 5); /* as constants, to which the processor need not count */
        else
            total = weigh_ascii(with, n, shortest, longest);
    }
    if (with->words > 0) add_words(with, chunk, size, &total);
    return total;
}

/* Whether the bytes of a chunk between the first eight and the last eight are those of another. */
static inline bool is_alike_between(const uint8_t *chunk, const uint8_t *other, int64_t size) {
    return memcmp(chunk + 8, other + 8, (size_t)(size - 8)) == 0;
}

static inline bool is_kept(const scale *with, const kept_chunk *kept, const uint8_t *chunk, int64_t size,
                           uint64_t first, uint64_t rest) {
    if (kept->first != first || (int64_t)kept->size != size) return false;
    return kept->rest == rest || (size > 16 && is_alike_between(chunk, with->data.at + kept->rest, size));
}

static inline void add_chunk(const scale *with, int64_t start, int64_t end, weighed *to) {
    int64_t size = end - start;
    if (size <= 0) return;
    const uint8_t *chunk = with->data.at + start;
    uint64_t first = first_eight(chunk, size, with->data.n - start), last = last_eight(chunk, size, first);
    uint64_t rest = size <= 16 ? last : (uint64_t)start;
    kept_chunk *kept = &with->table[place_of(first, last, with->bits)];
    weighed of;
    if (is_kept(with, kept, chunk, size, first, rest)) {
        of = (weighed){kept->sum, (int64_t)kept->n_all, (int64_t)kept->n_known};
    } else {
        of = weigh_chunk(with, chunk, size, first, last);
        if (size <= MOST_KEPT)
            *kept = (kept_chunk){first, rest, of.sum, (uint64_t)size, (uint64_t)of.n_all, (uint64_t)of.n_known};
    }
    to->sum += of.sum;
    to->n_all += of.n_all;
    to->n_known += of.n_known;
}

/* Return which of the next bytes are spaces, the first of them in the lowest bit. */
static inline uint64_t find_spaces(const uint8_t *at) {
    const uint64_t low = 0x7F7F7F7F7F7F7F7F;
    uint64_t spaces = 0;
    for (int word = 0; word < AT_ONCE / 8; word++) {
        uint64_t bytes = eight_bytes(at + 8 * word) ^ 0x2020202020202020;
        uint64_t is_zero = ~(((bytes & low) + low) | bytes | low) >> 7;
        spaces |= is_zero * 0x0102040810204080 >> 56 << 8 * word;
    }
    return spaces;
}

/* Do the same where there are fewer bytes. */
static uint64_t find_last_spaces(const uint8_t *at, int64_t n) {
    uint8_t bytes[AT_ONCE] = {0};
    memcpy(bytes, at, (size_t)n);
    return find_spaces(bytes);
}

static weighed weigh_text(const scale *with, int64_t start, int64_t end) {
    weighed total = {0.0, 0, 0};
    int64_t chunk = start;
    for (int64_t at = start; at < end; at += AT_ONCE) {
        const uint8_t *here = with->data.at + at;
        uint64_t spaces = at + AT_ONCE <= with->data.n ? find_spaces(here) : find_last_spaces(here, with->data.n - at);
        if (end - at < AT_ONCE) spaces &= ((uint64_t)1 << (end - at)) - 1;
        for (; spaces; spaces &= spaces - 1) {
            int64_t space = at + __builtin_ctzll(spaces);
            add_chunk(with, chunk, space, &total);
            chunk = space + 1;
        }
    }
    add_chunk(with, chunk, end, &total);
    return total;
}

static bool start_scale(scale *with, texts of) {
    int64_t longest = longest_text(of);
    with->bits = bits_of_places(of.data.n, MOST_BITS);
    with->table = calloc((size_t)1 << with->bits, sizeof *with->table);
    with->letters = malloc((size_t)longest + 10);
    with->starts = malloc((size_t)(longest + 3) * sizeof *with->starts);
    int64_t sizes = max_of(min_of(with->letters_max, longest + 2) - max_of(with->letters_min, 1) + 1, 0);
    with->columns = malloc((size_t)((longest + 1) * sizes + 1) * sizeof *with->columns);
    return with->table != NULL && with->letters != NULL && with->starts != NULL && with->columns != NULL;
}

static void end_scale(scale *with) {
    free(with->table);
    free(with->letters);
    free(with->starts);
    free(with->columns);
}

outcome sum_chunks(texts of, doubles marked, int64_t letters_min, int64_t letters_max, int64_t words, doubles_out sums,
                   int64s_out n_all, int64s_out n_known) {
    scale with = {.data = of.data, .marked = marked.at, .mask = mask_of(marked)};
    with.letters_min = letters_min;
    with.letters_max = letters_max;
    with.words = words;
    bool is_done = start_scale(&with, of);
    for (int64_t row = 0; is_done && row + 1 < of.offsets.n; row++) {
        weighed total = weigh_text(&with, of.offsets.at[row], of.offsets.at[row + 1]);
        sums.at[row] = total.sum;
        n_all.at[row] = total.n_all;
        n_known.at[row] = total.n_known;
    }
    end_scale(&with);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Different texts. A table knows the latest text of each hash. One that another has pushed out is new when it comes
   again, which costs time and changes nothing else. */

typedef struct {
    uint64_t first; /* its first eight bytes */
    int64_t size, number;
} kept_text;

/* Whether a text is the one that is kept: its first eight bytes, its size and then all others are the same. */
static bool is_kept_text(const kept_text *kept, texts of, int64s_out rows, int64_t start, int64_t size,
                         uint64_t first) {
    if (kept->first != first || kept->size != size) return false;
    int64_t other = of.offsets.at[rows.at[kept->number]];
    return size <= 8 || memcmp(of.data.at + start + 8, of.data.at + other + 8, (size_t)(size - 8)) == 0;
}

/* Write the number of each text among the different ones, and a row where each of those stands. Return how many there
   are; some may be found several times, if there are more than a table holds. */
EXPORT outcome find_distinct(texts of, int64s_out numbers, int64s_out rows) {
    REQUIRE(are_texts(of) && numbers.n == n_rows(of) && rows.n == n_rows(of));
    int64_t n_found = 0, of_empty = -1;
    int64_t bits = bits_of_places(of.data.n, MOST_BITS_OF_TEXTS);
    kept_text *table = calloc((size_t)1 << bits, sizeof *table);
    if (table == NULL) return OUT_OF_MEMORY;
    for (int64_t row = 0; row + 1 < of.offsets.n; row++) {
        int64_t start = of.offsets.at[row], size = of.offsets.at[row + 1] - start;
        int64_t number = of_empty < 0 ? n_found : of_empty;
        if (size == 0) of_empty = number;
        if (size > 0) {
            uint64_t first = first_eight(of.data.at + start, size, of.data.n - start);
            kept_text *kept = &table[place_of(first, last_eight(of.data.at + start, size, first), bits)];
            bool is_known = is_kept_text(kept, of, rows, start, size, first);
            number = is_known ? kept->number : n_found;
            if (!is_known) *kept = (kept_text){first, size, number};
        }
        if (number == n_found) rows.at[n_found++] = row;
        numbers.at[row] = number;
    }
    free(table);
    return n_found;
}
