/* How offers are made in many texts: what may begin a contact or a lot is found first, which is in few places; then
   each of these is looked at, sign by sign, for the patterns of `tests/specification/offers.py`. */
#include "features/offers.h"

#include <math.h>

#include "base/letters.h"
#include "base/texts.h"

/* Where something may begin: a lot's first letter, what follows a number, a space there, a sign, the dot of www. */
enum { LETTER = 1, NUMBER = 2, SPACED = 4, SIGN = 8, WWW = 16 };
enum { OF_CONTACTS = SIGN | WWW, OF_LOTS = LETTER | NUMBER | SPACED };
enum { MAY_BEGIN = 5 };    /* so many bits left of what may follow stands what may begin */
enum { MOST_DIGITS = 5 };  /* of a number of pieces */
enum { MOST_IN_LINK = 40, MOST_IN_DOMAIN = 63 }; /* letters */

static bool is_digit(int64_t letter) { return letter >= '0' && letter <= '9'; }

static int64_t size_of_word(texts words, int64_t number) {
    return words.offsets.at[number + 1] - words.offsets.at[number];
}

static bool word_stands_at(const uint8_t *data, int64_t at, int64_t end, texts words, int64_t number) {
    return stands_at(data, at, end, words.data.at + words.offsets.at[number], size_of_word(words, number));
}

/* Links, telephones, addresses and handles in one text, by the byte `at` of the sign that marks */

static bool is_small_letter(int64_t letter) { return letter >= 'a' && letter <= 'z'; }

static bool is_plain(int64_t letter) { return is_small_letter(letter) || is_digit(letter); }

static bool is_end_of_domain(const uint8_t *data, int64_t at, int64_t end, uint8s kinds, texts link_ends) {
    for (int64_t i = 0; i < link_ends.offsets.n - 1; i++) {
        if (!word_stands_at(data, at, end, link_ends, i)) continue;
        if (!is_word_letter(kinds, letter_after(data, at + size_of_word(link_ends, i), end))) return true;
    }
    return false;
}

/* Whether a name and an ending that domains have stand around a dot: \b[a-z0-9-]{2,40}\.(?:com|…)\b */
static bool is_domain(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds, texts link_ends) {
    if (!is_end_of_domain(data, at + 1, end, kinds, link_ends)) return false;
    for (int64_t first = at - 1; first >= start && at - first <= MOST_IN_LINK; first--) {
        bool is_hyphen = data[first] == '-';
        if (!is_plain(data[first]) && !is_hyphen) return false;
        if (at - first >= 2 && is_word_letter(kinds, letter_before(data, first, start)) == is_hyphen) return true;
    }
    return false;
}

static bool is_link_at_dot(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds, texts link_ends) {
    if (at - start >= 3 && stands_at(data, at - 3, end, "www", 3)) return true;
    return is_domain(data, start, end, at, kinds, link_ends);
}

/* https?:// */

static bool is_link_at_colon(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
    if (!stands_at(data, at + 1, end, "//", 2)) return false;
    if (at - start >= 4 && stands_at(data, at - 4, end, "http", 4)) return true;
    return at - start >= 5 && stands_at(data, at - 5, end, "https", 5);
}

/* Whether a telephone may begin here: not after a letter, a digit, or a sign that stands in prices. */
static bool may_begin(const uint8_t *data, int64_t start, int64_t at, uint8s kinds) {
    int64_t before = letter_before(data, at, start);
    return !(is_word_letter(kinds, before) || before == '.' || before == ',' || before == '$');
}

/* Whether some digits, spaces, hyphens (and brackets) follow, then a last digit, and no word after it. */
static bool ends_in_digits(const uint8_t *data, int64_t at, int64_t end, uint8s kinds, int64_t least, int64_t most,
                           bool has_brackets) {
    for (int64_t n = 0; n <= most && at + n < end; n++) {
        uint8_t byte = data[at + n];
        if (n >= least && is_digit(byte) && !is_word_letter(kinds, letter_after(data, at + n + 1, end))) return true;
        bool is_bracket = has_brackets && (byte == '(' || byte == ')');
        if (!is_digit(byte) && byte != ' ' && byte != '-' && !is_bracket) return false;
    }
    return false;
}

static bool are_digits(const uint8_t *data, int64_t at, int64_t end, int64_t n) {
    if (at + n > end) return false;
    for (int64_t i = at; i < at + n; i++) {
        if (!is_digit(data[i])) return false;
    }
    return true;
}

/* \+\d[\d ()-]{8,17}\d */
static bool is_phone_at_plus(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds) {
    return are_digits(data, at + 1, end, 1) && may_begin(data, start, at, kinds)
           && ends_in_digits(data, at + 2, end, kinds, 8, 17, true);
}

/* Whether a 7 or 8 stands before "(900)", which ends here, and the rest of the number after it. */
static bool is_phone_with_prefix(const uint8_t *data, int64_t start, int64_t end, int64_t at, int64_t after,
                                 uint8s kinds) {
    int64_t first = at - 1;
    if (first > start && data[first] == ' ') first--;
    return first >= start && (data[first] == '7' || data[first] == '8') && may_begin(data, start, first, kinds)
           && ends_in_digits(data, after, end, kinds, 7, 10, false);
}

/* Whether this bracket is in a telephone, such as "8 (900) 000-00-00" or "(212) 555-0100". */
static bool is_phone_at_bracket(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds) {
    int64_t after = at + 5;
    if (after > end || !are_digits(data, at + 1, end, 3) || data[at + 4] != ')') return false;
    if (is_phone_with_prefix(data, start, end, at, after, kinds)) return true;
    if (after < end && data[after] == ' ') after++;
    return after + 8 <= end && are_digits(data, after, end, 3) && data[after + 3] == '-'
           && are_digits(data, after + 4, end, 4) && !is_word_letter(kinds, letter_after(data, after + 8, end))
           && may_begin(data, start, at, kinds);
}

static bool is_email_at(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
    int64_t before = at > start ? data[at - 1] : 0;
    bool is_sign = before == '.' || before == '_' || before == '%' || before == '+' || before == '-';
    if (!is_plain(before) && !is_sign) return false;
    int64_t dot = at + 1;
    while (dot < end && (is_plain(data[dot]) || data[dot] == '-')) dot++;
    int64_t n = dot - at - 1;
    if (n < 1 || n > MOST_IN_DOMAIN || dot + 2 >= end || data[dot] != '.') return false;
    return is_small_letter(data[dot + 1]) && is_small_letter(data[dot + 2]);
}

static bool is_handle_at(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
    int64_t before = at > start ? data[at - 1] : 0;
    if (is_plain(before) || before == '.' || at + 3 >= end) return false;
    for (int64_t i = 1; i < 4; i++) {
        int64_t letter = data[at + i];
        bool is_inside = i > 1 && (is_digit(letter) || letter == '.');
        if (!is_small_letter(letter) && letter != '_' && !is_inside) return false;
    }
    return true;
}

/* Numbers of pieces and ranges of sizes in one text, by the byte `at` of their first letter or digit */

static bool ends_word(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
    return !is_word_letter(kinds, letter_after(data, at, end));
}

static int64_t skip_space(const uint8_t *data, int64_t at, int64_t end) {
    return at < end && data[at] == ' ' ? at + 1 : at;
}

static int64_t skip_digits(const uint8_t *data, int64_t at, int64_t end) {
    while (at < end && is_digit(data[at])) at++;
    return at;
}

static int64_t skip_x(const uint8_t *data, int64_t at, int64_t end) {
    while (at < end && data[at] == 'x') at++;
    return at;
}

/* The number that some digits write, which are few. */
static int64_t read_number(const uint8_t *data, int64_t at, int64_t end) {
    int64_t number = 0;
    for (int64_t i = at; i < end; i++) number = 10 * number + data[i] - '0';
    return number;
}

/* Whether a measure follows a number that ends here. */
static bool is_measured(const uint8_t *data, int64_t at, int64_t end, const offer_table *table) {
    at = skip_space(data, at, end);
    for (int64_t i = 0; i < table->measures.offsets.n - 1; i++) {
        if (!word_stands_at(data, at, end, table->measures, i)) continue;
        bool is_inch_sign = data[at] == '\'' || data[at] == '"';
        if (is_inch_sign || ends_word(data, at + size_of_word(table->measures, i), end, table->kinds)) return true;
    }
    return false;
}

/* Whether a number or an inch sign stands before this x; or a word, if the x stands alone. */
static bool is_of_size(const uint8_t *data, int64_t start, int64_t at, uint8s kinds, bool stands_alone) {
    bool follows_space = at > start && data[at - 1] == ' ';
    int64_t letter = letter_before(data, follows_space ? at - 1 : at, start);
    if (follows_space && stands_alone && is_word_letter(kinds, letter)) return true;
    return letter == '\'' || letter == '"' || is_digit(letter);
}

/* Return the end of the ideograph here that is a unit; 0 if there is none. */
static int64_t end_of_ideograph(const uint8_t *data, int64_t at, int64_t end, texts ideographs) {
    for (int64_t i = 0; i < ideographs.offsets.n - 1; i++) {
        if (word_stands_at(data, at, end, ideographs, i)) return at + size_of_word(ideographs, i);
    }
    return 0;
}

/* Return the end of the unit after a number that ends here; 0 if there is none. A number that is not a whole word
   is followed by an ideograph only. */
static int64_t end_of_unit(const uint8_t *data, int64_t at, int64_t end, const offer_table *table, bool is_whole) {
    at = skip_space(data, at, end);
    if (at >= end || !table->is_unit.at[data[at] << 8 | (at + 1 < end ? data[at + 1] : 0)]) return 0;
    if (data[at] >= 0x80) return end_of_ideograph(data, at, end, table->ideographs);
    if (!is_whole) return 0;
    for (int64_t i = 0; i < table->units.offsets.n - 1; i++) {
        if (!word_stands_at(data, at, end, table->units, i)) continue;
        int64_t after = at + size_of_word(table->units, i);
        if (!ends_word(data, after, end, table->kinds)) continue;
        int64_t next_word = skip_space(data, after, end);
        bool is_size = data[at] == 'x' && next_word < end && is_digit(data[next_word]);
        return is_size ? 0 : after;
    }
    return 0;
}

/* Whether a word stands before what begins and ends here, and a word after it, with one space between. */
static bool is_between_words(const uint8_t *data, int64_t start, int64_t first, int64_t last, int64_t end,
                             uint8s kinds) {
    if (first == start || data[first - 1] != ' ' || last == end || data[last] != ' ') return false;
    return is_word_letter(kinds, letter_before(data, first - 1, start))
           && is_word_letter(kinds, letter_after(data, last + 1, end));
}

/* Return the end of "x10" or "x 10" that begins with this x; 0 if there is none, or for a size or a name. */
static int64_t end_of_pieces(const uint8_t *data, int64_t start, int64_t at, int64_t end, const offer_table *table) {
    int64_t first = skip_space(data, at + 1, end), last = skip_digits(data, first, end);
    if (last - first < 1 || last - first > 4 || !ends_word(data, last, end, table->kinds)) return 0;
    if (is_of_size(data, start, at, table->kinds, first > at + 1) || is_measured(data, last, end, table)) return 0;
    bool may_be_name = is_between_words(data, start, at, last, end, table->kinds);
    return may_be_name && end_of_unit(data, last, end, table, true) == 0 ? 0 : last;
}

/* Whether a number from 30 and a lowest digit to 40 and a highest stands here. */
static bool is_shoe_size(const uint8_t *data, int64_t at, int64_t end, int lowest, int highest) {
    if (at + 2 > end || !is_digit(data[at + 1])) return false;
    int digit = data[at + 1] - '0';
    return (data[at] == '3' && digit >= lowest) || (data[at] == '4' && digit <= highest);
}

/* Where what stands between two sizes ends; 0 where it does not stand here. */
static int64_t end_of_join(const uint8_t *data, int64_t at, int64_t end) {
    if (at < end && (data[at] == '-' || data[at] == '~')) return at + 1;
    if (stands_at(data, at, end, "to", 2) || stands_at(data, at, end, "do", 2)) return at + 2;
    return stands_at(data, at, end, "bis", 3) ? at + 3 : 0;
}

/* Whether a range of European sizes begins here: "36-45", "40 to 46". */
static bool is_range_at_number(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
    if (!is_shoe_size(data, at, end, 4, 8)) return false;
    at = end_of_join(data, skip_space(data, at + 2, end), end);
    if (at == 0) return false;
    at = skip_space(data, at, end);
    return is_shoe_size(data, at, end, 5, 9) && ends_word(data, at + 2, end, kinds);
}

static int64_t skip_country(const uint8_t *data, int64_t at, int64_t end) {
    bool is_country = stands_at(data, at, end, "us", 2) || stands_at(data, at, end, "uk", 2)
                      || stands_at(data, at, end, "eu", 2);
    return is_country ? at + 2 : at;
}

/* Whether a range of sizes begins here with its country: "us7-us12", "uk 5.5 - 11". */
static bool is_range_at_country(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
    int64_t first = skip_country(data, at, end);
    if (first == at) return false;
    first = skip_space(data, first, end);
    at = skip_digits(data, first, end);
    if (at - first < 1 || at - first > 2) return false;
    if (stands_at(data, at, end, ".5", 2)) at += 2;
    at = skip_space(data, at, end);
    if (at >= end || data[at] != '-') return false;
    first = skip_space(data, skip_country(data, skip_space(data, at + 1, end), end), end);
    at = skip_digits(data, first, end);
    return at - first >= 1 && at - first <= 2 && ends_word(data, at, end, kinds);
}

/* Whether a range of sizes in letters begins here: "s-xxl", "xs/2xl". */
static bool is_range_at_letter(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
    int64_t first = at;
    at = skip_x(data, at, end);
    int64_t n_x = at - first;
    if (at >= end || n_x > 2 || !(data[at] == 's' || (n_x == 0 && data[at] == 'm'))) return false;
    at = skip_space(data, at + 1, end);
    if (at >= end || !(data[at] == '-' || data[at] == '/' || data[at] == '~')) return false;
    first = at = skip_space(data, at + 1, end);
    if (at < end && data[at] >= '2' && data[at] <= '6') {
        return stands_at(data, at + 1, end, "xl", 2) && ends_word(data, at + 3, end, kinds);
    }
    at = skip_x(data, at, end);
    return at - first <= 3 && at < end && data[at] == 'l' && ends_word(data, at + 1, end, kinds);
}

/* Texts */

/* What is found in a text; numbers of pieces are read already up to `used`. */
typedef struct {
    const uint8_t *data;
    int64_t start, end, used, pieces;
    bool has_link, has_phone, has_range;
} offer;

outcome set_groups(places phrases, int64s columns, int64_t n_columns, doubles_out values) {
    REQUIRE(are_places(phrases) && are_numbered(phrases, columns.n) && values.n == (phrases.starts.n - 1) * n_columns);
    for (int64_t row = 0; row < phrases.starts.n - 1; row++) {
        for (int64_t i = phrases.starts.at[row]; i < phrases.starts.at[row + 1]; i++) {
            int64_t column = AT(columns, phrases.number.at[i]);
            if (column >= 0 && column < n_columns) values.at[row * n_columns + column] = 1.0;
        }
    }
    return 0;
}

/* Write where a contact or a lot may begin; return how many there are. A letter is judged by those on either side of
   it, without a branch. */
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

outcome read_folded(texts folded, const offer_table *table, int64_t n_columns, doubles_out values) {
    REQUIRE(are_texts(folded) && values.n == n_rows(folded) * n_columns && n_columns >= N_CONTACTS);
    REQUIRE(is_offer_table(table));
    int64_t *beginnings = malloc((size_t)(longest_text(folded) + 1) * sizeof *beginnings);
    if (beginnings == NULL) return OUT_OF_MEMORY;
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

static void read_small(const uint8_t *small, int64_t n, double *values) {
    for (int64_t at = 0; at < n; at++) {
        if (small[at] != '@') continue;
        if (is_email_at(small, 0, n, at)) values[EMAIL] = 1.0;
        if (is_handle_at(small, 0, n, at)) values[HANDLE] = 1.0;
    }
}

outcome read_raw(texts raw, int64_t max_letters, int64_t n_columns, doubles_out values) {
    REQUIRE(are_texts(raw) && values.n == n_rows(raw) * n_columns && n_columns >= N_CONTACTS);
    const uint8_t *data = raw.data.at;
    uint8_t *small = NULL;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        int64_t start = raw.offsets.at[row], end = raw.offsets.at[row + 1];
        if (end == start || memchr(data + start, '@', (size_t)(end - start)) == NULL) continue;
        if (small == NULL) small = malloc((size_t)(2 * longest_text(raw)));
        if (small == NULL) return OUT_OF_MEMORY;
        end = end_of_letters(data, start, end, max_letters);
        read_small(small, write_small(data, start, end, small), values.at + row * n_columns);
    }
    free(small);
    return 0;
}
