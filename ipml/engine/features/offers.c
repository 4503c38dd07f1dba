/* How offers are made in many texts: what may begin a contact or a lot is found first, which is in few places; then
   each of these is looked at. */
#include "features/offers.h"

#include <math.h>

#include "base/letters.h"
#include "base/texts.h"
#include "features/contacts.h"
#include "features/lots.h"

/* Where something may begin: a lot's first letter, what follows a number, a space there, a sign, the dot of www. */
enum { LETTER = 1, NUMBER = 2, SPACED = 4, SIGN = 8, WWW = 16 };
enum { OF_CONTACTS = SIGN | WWW, OF_LOTS = LETTER | NUMBER | SPACED };
enum { MAY_BEGIN = 5 };    /* so many bits left of what may follow stands what may begin */
enum { MOST_DIGITS = 5 };  /* of a number of pieces */

/* What is found in a text; numbers of pieces are read already up to `used`. */
typedef struct {
    const uint8_t *data;
    int64_t start, end, used, pieces;
    bool has_link, has_phone, has_range;
} offer;

void set_groups(places phrases, int64s columns, int64_t n_columns, doubles_out values) {
    for (int64_t row = 0; row < phrases.starts.n - 1; row++) {
        for (int64_t i = phrases.starts.at[row]; i < phrases.starts.at[row + 1]; i++) {
            int64_t column = columns.at[phrases.number.at[i]];
            if (column >= 0 && column < n_columns) values.at[row * n_columns + column] = 1.0;
        }
    }
}

/* Write where a contact or a lot may begin; return how many there are. A letter is judged by those on either side of it,
   without a branch. */
static int64_t find_beginnings(const uint8_t *data, int64_t start, int64_t end, const uint16_t *pairs, uint32_t wanted,
                               int64_t *found) {
    int64_t n = 0;
    uint32_t byte = BREAK, flags = 0;
    for (int64_t at = start; at < end; at++) {
        uint32_t flags_before = flags;
        flags = pairs[byte << 8 | data[at]];
        byte = data[at];
        found[n] = at - 1;
        n += (flags_before >> MAY_BEGIN & flags & wanted) != 0;
    }
    found[n] = end - 1;
    n += (flags >> MAY_BEGIN & pairs[byte << 8 | BREAK] & wanted) != 0;
    return n;
}

/* Look for the contact that a sign tells of. */
static void read_sign(offer *of, int64_t at, const offer_table *table) {
    const uint8_t *data = of->data;
    int64_t start = of->start, end = of->end;
    if (data[at] == '.') {
        of->has_link = of->has_link || is_link_at_dot(data, start, end, at, table->kinds, table->link_ends);
    } else if (data[at] == ':') {
        of->has_link = of->has_link || is_link_at_colon(data, start, end, at);
    } else if (data[at] == '+') {
        of->has_phone = of->has_phone || is_phone_at_plus(data, start, end, at, table->kinds);
    } else {
        of->has_phone = of->has_phone || is_phone_at_bracket(data, start, end, at, table->kinds);
    }
}

/* Look for "x10". */
static void read_pieces(offer *of, int64_t at, const offer_table *table) {
    int64_t stop = end_of_pieces(of->data, of->start, at, of->end, table);
    if (stop == 0) return;
    int64_t first = of->data[at + 1] == ' ' ? at + 2 : at + 1;
    of->pieces = max_of(of->pieces, read_number(of->data, first, stop));
    of->used = stop;
}

/* Look for the range of sizes, or the number of pieces, that a word of these first letters may begin. */
static void read_letter(offer *of, int64_t at, const offer_table *table) {
    uint8_t byte = of->data[at];
    if (byte == 'u' || byte == 'e') { /* us, uk, eu */
        of->has_range = of->has_range || is_range_at_country(of->data, at, of->end, table->kinds);
        return;
    }
    of->has_range = of->has_range || is_range_at_letter(of->data, at, of->end, table->kinds);
    if (byte == 'x' && at >= of->used) read_pieces(of, at, table);
}

/* Look for the range of sizes, or the number of pieces, whose digits end here. */
static void read_digits(offer *of, int64_t stop, const offer_table *table) {
    int64_t at = stop - 1;
    while (at > of->start && is_digit(of->data[at - 1])) at--;
    bool is_whole = !is_word_letter(table->kinds, letter_before(of->data, at, of->start));
    if (is_whole && stop - at == 2) {
        of->has_range = of->has_range || is_range_at_number(of->data, at, of->end, table->kinds);
    }
    if (at < of->used || stop - at > MOST_DIGITS) return;
    int64_t unit_stop = end_of_unit(of->data, stop, of->end, table, is_whole);
    if (unit_stop == 0) return;
    of->pieces = max_of(of->pieces, read_number(of->data, at, stop));
    of->used = unit_stop;
}

/* Look for what may begin at a byte, by what stands there and before it. */
static void read_beginning(offer *of, int64_t at, const offer_table *table) {
    uint8_t byte = of->data[at];
    if (byte == '.' || byte == ':' || byte == '+' || byte == '(') {
        read_sign(of, at, table);
    } else if (at > of->start && is_digit(of->data[at - 1])) {
        read_digits(of, at, table);
    } else if (!is_word_letter(table->kinds, letter_before(of->data, at, of->start))) {
        read_letter(of, at, table);
    }
}

static void write_values(const offer *of, int64_t n_columns, double *values) {
    values[LINK] = of->has_link;
    values[PHONE] = of->has_phone;
    if (n_columns <= N_CONTACTS) return;
    values[RANGE] = of->has_range;
    values[PIECES] = of->pieces > 1 ? log10((double)of->pieces) : 0.0;
}

int64_t read_folded(texts folded, const offer_table *table, int64_t n_columns, doubles_out values) {
    int64_t *beginnings = malloc((size_t)(longest_text(folded) + 1) * sizeof *beginnings);
    if (beginnings == NULL) return -1;
    uint32_t wanted = n_columns > N_CONTACTS ? OF_CONTACTS | OF_LOTS : OF_CONTACTS;
    for (int64_t row = 0; row < folded.offsets.n - 1; row++) {
        int64_t start = folded.offsets.at[row], end = folded.offsets.at[row + 1];
        const uint8_t *data = folded.data.at;
        int64_t n = find_beginnings(data, start, end, table->pairs.at, wanted, beginnings);
        if (n == 0) continue;
        offer of = {.data = data, .start = start, .end = end, .used = start};
        for (int64_t i = 0; i < n; i++) read_beginning(&of, beginnings[i], table);
        write_values(&of, n_columns, values.at + row * n_columns);
    }
    free(beginnings);
    return 0;
}

/* Write a text in small letters, but leave those that are none of ASCII then; return how many bytes there are. Two
   letters beyond turn into such: the sign of kelvin, and \u0130, into an i with a dot beside it. */
static int64_t write_small(const uint8_t *data, int64_t at, int64_t end, uint8_t *small) {
    int64_t n = 0;
    while (at < end) {
        if (stands_at(data, at, end, "\xE2\x84\xAA", 3)) {
            small[n++] = 'k';
            at += 3;
        } else if (stands_at(data, at, end, "\xC4\xB0", 2)) {
            memcpy(small + n, "i\xCC\x87", 3);
            n += 3;
            at += 2;
        } else {
            uint8_t byte = data[at++];
            small[n++] = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
        }
    }
    return n;
}

/* Look for addresses and handles in a text in small letters. */
static void read_small(const uint8_t *small, int64_t n, double *values) {
    for (int64_t at = 0; at < n; at++) {
        if (small[at] != '@') continue;
        if (is_email_at(small, 0, n, at)) values[EMAIL] = 1.0;
        if (is_handle_at(small, 0, n, at)) values[HANDLE] = 1.0;
    }
}

int64_t read_raw(texts raw, int64_t max_letters, int64_t n_columns, doubles_out values) {
    const uint8_t *data = raw.data.at;
    uint8_t *small = NULL;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        int64_t start = raw.offsets.at[row], end = raw.offsets.at[row + 1];
        if (end == start || memchr(data + start, '@', (size_t)(end - start)) == NULL) continue;
        if (small == NULL) small = malloc((size_t)(2 * longest_text(raw)));
        if (small == NULL) return -1;
        end = end_of_letters(data, start, end, max_letters);
        read_small(small, write_small(data, start, end, small), values.at + row * n_columns);
    }
    free(small);
    return 0;
}
