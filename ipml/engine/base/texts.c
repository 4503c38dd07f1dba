/* Texts as a whole: counted, taken by their rows, replaced, and cut into passages. */
#include "base/texts.h"

#include "base/letters.h"

EXPORT outcome count_letters(texts of, int64s_out counts) {
    REQUIRE(are_texts(of) && counts.n == n_rows(of));
    const int64_t *offsets = of.offsets.at;
    for (int64_t row = 0; row + 1 < of.offsets.n; row++)
        counts.at[row] = count_letters_between(of.data.at, offsets[row], offsets[row + 1]);
    return 0;
}

static bool has_plain_letter(const uint8_t *data, int64_t start, int64_t end) {
    for (int64_t at = start; at < end; at++) {
        uint8_t byte = data[at];
        if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) return true;
    }
    return false;
}

void have_plain_letters(texts of, uint8s_out found) {
    const int64_t *offsets = of.offsets.at;
    for (int64_t row = 0; row + 1 < of.offsets.n; row++) {
        found.at[row] = has_plain_letter(of.data.at, offsets[row], offsets[row + 1]);
    }
}

/* Write the offsets of some of the texts, one after another; return 1, or 0 if there is no such row. */
EXPORT outcome place_rows(int64s offsets, int64s rows, int64s_out places) {
    REQUIRE(offsets.n > 0 && places.n == rows.n + 1);
    int64_t n = places.at[0] = 0;
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = rows.at[i];
        if (row < 0 || row >= offsets.n - 1) return 0;
        n += offsets.at[row + 1] - offsets.at[row];
        places.at[i + 1] = n;
    }
    return 1;
}

/* Write some bytes of a text from a place on; return where they end. */
static int64_t write_bytes(uint8_t *into, int64_t at, const uint8_t *from, int64_t start, int64_t end) {
    if (end > start) memcpy(into + at, from + start, (size_t)(end - start));
    return at + end - start;
}

/* Write the bytes of some of the texts, which have room after `place_rows`. */
EXPORT outcome take_rows(texts of, int64s rows, uint8s_out taken) {
    REQUIRE(are_texts(of) && are_below(rows, n_rows(of)));
    int64_t n = 0;
    for (int64_t i = 0; i < rows.n; i++) {
        const int64_t *bounds = of.offsets.at + rows.at[i];
        REQUIRE(n + bounds[1] - bounds[0] <= taken.n);
        n = write_bytes(taken.at, n, of.data.at, bounds[0], bounds[1]);
    }
    return 0;
}

EXPORT outcome count_bytes_with_rows(int64s offsets, int64s rows, int64s ends) {
    REQUIRE(offsets.n > 0 && ends.n == rows.n && are_below(rows, offsets.n - 1));
    int64_t n = offsets.at[offsets.n - 1] - offsets.at[0];
    for (int64_t i = 0; i < rows.n; i++) n -= offsets.at[rows.at[i] + 1] - offsets.at[rows.at[i]];
    return rows.n > 0 ? n + ends.at[rows.n - 1] : n;
}

EXPORT outcome put_rows(texts of, int64s rows, int64s ends, uint8s written, int64s_out offsets, uint8s_out data) {
    REQUIRE(are_texts(of) && ends.n == rows.n && offsets.n == of.offsets.n);
    REQUIRE(count_bytes_with_rows(of.offsets, rows, ends) == data.n);
    const int64_t *before = of.offsets.at;
    int64_t n = 0, place = 0, row = 0;
    for (int64_t i = 0; i <= rows.n; i++) {
        int64_t until = i < rows.n ? rows.at[i] : n_rows(of), shift = n - before[row];
        REQUIRE(row <= until); /* rows in their order */
        for (int64_t kept = row; kept < until; kept++) offsets.at[kept] = before[kept] + shift;
        n = write_bytes(data.at, n, of.data.at, before[row], before[until]);
        offsets.at[until] = n;
        if (i == rows.n) break;
        REQUIRE(place <= ends.at[i] && ends.at[i] <= written.n);
        n = write_bytes(data.at, n, written.at, place, ends.at[i]);
        place = ends.at[i];
        row = until + 1;
    }
    return 0;
}

/* Return how many bytes the longest of some texts has, in which each stands behind its length in four bytes; where the
   bytes end before, of so many as there are. */
EXPORT outcome find_longest(uint8s data, int64_t n_texts) {
    int64_t longest = 0, at = 0;
    for (int64_t i = 0; i < n_texts && at + 4 <= data.n; i++) {
        const uint8_t *size = data.at + at;
        int64_t length = size[0] | (int64_t)size[1] << 8 | (int64_t)size[2] << 16 | (int64_t)size[3] << 24;
        longest = max_of(longest, length);
        at += 4 + length;
    }
    return longest;
}

static int64_t count_words(const uint8_t *data, int64_t start, int64_t end) {
    int64_t n = 1;
    for (int64_t at = start; at < end; at++) n += data[at] == ' ';
    return n;
}

/* Write where each word of a text begins, and at last where one more would; return false without memory. */
static bool find_words(const uint8_t *data, int64_t start, int64_t end, buffer *begins) {
    begins->n = 0;
    buffer_write_int64(begins, start);
    for (int64_t at = start; at < end; at++) {
        if (data[at] == ' ') buffer_write_int64(begins, at + 1);
    }
    buffer_write_int64(begins, end + 1);
    return !begins->failed;
}

EXPORT outcome cut_passages(texts of, int64_t longest_whole, int64_t n_words, int64_t step, buffer *offsets,
                            buffer *data, buffer *rows) {
    REQUIRE(are_texts(of) && n_words > 0 && step > 0);
    buffer begins = {0};
    int64_t n_before = data->n;
    buffer_write_int64(offsets, 0);
    for (int64_t row = 0; row + 1 < of.offsets.n; row++) {
        int64_t start = of.offsets.at[row], end = of.offsets.at[row + 1];
        int64_t n = count_words(of.data.at, start, end), n_whole = min_of(n_words, n);
        if (n <= longest_whole || !find_words(of.data.at, start, end, &begins)) continue;
        const int64_t *words = (const int64_t *)(const void *)begins.at;
        for (int64_t first = 0, is_last = 0; !is_last; first += step) {
            is_last = first >= n - n_whole;
            first = min_of(first, n - n_whole);
            buffer_write_int64(rows, row);
            buffer_write(data, of.data.at + words[first], words[first + n_whole] - 1 - words[first]);
            buffer_write_int64(offsets, data->n - n_before);
        }
    }
    rows->failed |= begins.failed;
    free(begins.at);
    return 0;
}
