/* Numbers of pieces and ranges of sizes in one text, letter by letter. */
#include "base/letters.h"
#include "features/contacts.h"
#include "features/lots.h"

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

int64_t read_number(const uint8_t *data, int64_t at, int64_t end) {
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

/* Where the ideograph ends that is a unit and stands here; 0 where there is none. */
static int64_t end_of_ideograph(const uint8_t *data, int64_t at, int64_t end, texts ideographs) {
    for (int64_t i = 0; i < ideographs.offsets.n - 1; i++) {
        if (word_stands_at(data, at, end, ideographs, i)) return at + size_of_word(ideographs, i);
    }
    return 0;
}

int64_t end_of_unit(const uint8_t *data, int64_t at, int64_t end, const offer_table *table, bool is_whole) {
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

int64_t end_of_pieces(const uint8_t *data, int64_t start, int64_t at, int64_t end, const offer_table *table) {
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

bool is_range_at_number(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
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

bool is_range_at_country(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
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

bool is_range_at_letter(const uint8_t *data, int64_t at, int64_t end, uint8s kinds) {
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
