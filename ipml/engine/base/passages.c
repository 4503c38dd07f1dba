/* Long texts cut into passages that overlap, in whole words. */
#include "base/passages.h"

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

EXPORT void cut_passages(texts of, int64_t longest_whole, int64_t n_words, int64_t step, buffer *offsets, buffer *data,
                         buffer *rows) {
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
}
