/* Links, telephones, addresses and handles in one text, sign by sign. */
#include "base/letters.h"
#include "features/contacts.h"

enum { MOST_IN_LINK = 40, MOST_IN_DOMAIN = 63 }; /* letters */

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

bool is_link_at_dot(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds, texts link_ends) {
    if (at - start >= 3 && stands_at(data, at - 3, end, "www", 3)) return true;
    return is_domain(data, start, end, at, kinds, link_ends);
}

/* https?:// */
bool is_link_at_colon(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
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

/* Whether so many digits stand here. */
static bool are_digits(const uint8_t *data, int64_t at, int64_t end, int64_t n) {
    if (at + n > end) return false;
    for (int64_t i = at; i < at + n; i++) {
        if (!is_digit(data[i])) return false;
    }
    return true;
}

/* \+\d[\d ()-]{8,17}\d */
bool is_phone_at_plus(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds) {
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

bool is_phone_at_bracket(const uint8_t *data, int64_t start, int64_t end, int64_t at, uint8s kinds) {
    int64_t after = at + 5;
    if (after > end || !are_digits(data, at + 1, end, 3) || data[at + 4] != ')') return false;
    if (is_phone_with_prefix(data, start, end, at, after, kinds)) return true;
    if (after < end && data[after] == ' ') after++;
    return after + 8 <= end && are_digits(data, after, end, 3) && data[after + 3] == '-'
           && are_digits(data, after + 4, end, 4) && !is_word_letter(kinds, letter_after(data, after + 8, end))
           && may_begin(data, start, at, kinds);
}

bool is_email_at(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
    int64_t before = at > start ? data[at - 1] : 0;
    bool is_sign = before == '.' || before == '_' || before == '%' || before == '+' || before == '-';
    if (!is_plain(before) && !is_sign) return false;
    int64_t dot = at + 1;
    while (dot < end && (is_plain(data[dot]) || data[dot] == '-')) dot++;
    int64_t n = dot - at - 1;
    if (n < 1 || n > MOST_IN_DOMAIN || dot + 2 >= end || data[dot] != '.') return false;
    return is_small_letter(data[dot + 1]) && is_small_letter(data[dot + 2]);
}

bool is_handle_at(const uint8_t *data, int64_t start, int64_t end, int64_t at) {
    int64_t before = at > start ? data[at - 1] : 0;
    if (is_plain(before) || before == '.' || at + 3 >= end) return false;
    for (int64_t i = 1; i < 4; i++) {
        int64_t letter = data[at + i];
        bool is_inside = i > 1 && (is_digit(letter) || letter == '.');
        if (!is_small_letter(letter) && letter != '_' && !is_inside) return false;
    }
    return true;
}
