/* Read ASCII signs that replace letters.

   `may_stand_for_letters` looks at folded bytes and never misses a text in which signs are read; the rest works on the
   characters in lower case with their flags. */
#include "folding/steps.h"

/* Of what kinds bytes are. */
enum { IS_SIGN = 1, STANDS_ALONE = 2, IS_AT_OR_DOLLAR = 4, BEGINS = 8, IS_LETTER = 16, IS_DIGIT = 32 };
enum { FEWEST_BETWEEN_LETTERS = 3 };

/* Signs in a row in a folded text, and what stands around them. */
typedef struct {
    int64_t begin;
    int64_t end;
    int kinds; /* of any of the signs */
    int after; /* the kinds of what comes after */
    bool is_after_letter;
} sign_row;

static bool may_be_read(const uint8_t *kinds, const uint8_t *data, int64_t start, int64_t end, sign_row signs) {
    int after = signs.after;
    int64_t n = signs.end - signs.begin;
    if (signs.is_after_letter) {
        if (n == 1 && data[signs.begin] == '$' && after & IS_DIGIT) return false;
        if (signs.kinds & IS_AT_OR_DOLLAR) return true;
        return after & (IS_LETTER | IS_DIGIT) && (signs.kinds & STANDS_ALONE || n > 1);
    }
    bool begins_word = signs.begin == start || data[signs.begin - 1] == ' ';
    bool has_letter_next = signs.end + 1 < end && kinds[data[signs.end + 1]] & IS_LETTER;
    return begins_word && signs.kinds & IS_AT_OR_DOLLAR && after & (IS_LETTER | IS_DIGIT) && has_letter_next;
}

static sign_row find_signs(const uint8_t *kinds, const uint8_t *data, int64_t start, int64_t at, int64_t end) {
    sign_row signs = {.begin = at, .is_after_letter = at > start && kinds[data[at - 1]] & IS_LETTER};
    for (; at < end && kinds[data[at]] & IS_SIGN; at++) signs.kinds |= kinds[data[at]];
    signs.end = at;
    signs.after = at < end ? kinds[data[at]] : 0;
    return signs;
}

bool may_stand_for_letters(const signs_tables *tables, const uint8_t *data, int64_t start, int64_t end) {
    const uint8_t *kinds = tables->kinds.at;
    bool has_at_or_dollar = false, touches = false;
    for (int64_t at = start;;) {
        while (at < end && !(kinds[data[at]] & IS_SIGN)) at++;
        if (at == end) return has_at_or_dollar && touches;
        sign_row signs = find_signs(kinds, data, start, at, end);
        if (may_be_read(kinds, data, start, end, signs)) return true;
        has_at_or_dollar |= (signs.kinds & IS_AT_OR_DOLLAR) != 0;
        touches |= signs.is_after_letter || (signs.after & IS_LETTER && signs.kinds & BEGINS);
        at = signs.end;
    }
}

/* Some characters of a text that is read. */
typedef struct {
    const uint8_t *kinds;
    const int64_t *at;
    int64_t n;
} characters_read;

static inline int64_t code_at(characters_read text, int64_t at) { return text.at[at] & CODE; }

/* What is known of a character; nothing beyond ASCII and beyond the text. */
static inline int kind_at(characters_read text, int64_t at) {
    return at >= 0 && at < text.n && code_at(text, at) < 0x80 ? text.kinds[code_at(text, at)] : 0;
}

static inline bool is_word_at(characters_read text, int64_t at) { return at < text.n && text.at[at] & WORD; }

static inline bool is_first(characters_read text, int64_t at) { return at == 0 || code_at(text, at - 1) == ' '; }

static int64_t end_of_signs(characters_read text, int64_t at) {
    while (kind_at(text, at) & IS_SIGN) at++;
    return at;
}

static int kinds_between(characters_read text, int64_t start, int64_t end) {
    int kinds = 0;
    for (int64_t at = start; at < end; at++) kinds |= kind_at(text, at);
    return kinds;
}

static bool is_worth_a_look(characters_read text) {
    for (int64_t at = 0; at < text.n; at++) {
        int kind = kind_at(text, at);
        if (kind & BEGINS && kind_at(text, at + 1) & (IS_LETTER | IS_DIGIT | IS_SIGN)) return true;
        if (kind & IS_AT_OR_DOLLAR && !is_word_at(text, at + 1)) return true;
    }
    return false;
}

/* Whether a word has signs between letters, before a first letter or, but for ! and +, after a last one. */
static bool holds_signs(characters_read text, int64_t start, int64_t end) {
    text.n = end;
    int64_t begin = code_at(text, start) == '(' ? start + 1 : start;
    if (kind_at(text, begin) & BEGINS && kind_at(text, end_of_signs(text, begin)) & IS_LETTER) return true;
    int64_t at = start + 1;
    while (at < end) {
        int64_t after = end_of_signs(text, at);
        if (after > at && kind_at(text, at - 1) & IS_LETTER) {
            int64_t last = code_at(text, after - 1);
            if (kind_at(text, after) & IS_LETTER) return true;
            if (after == end && (last == '@' || last == '$' || last == '|')) return true;
        }
        at = after + 1;
    }
    return false;
}

static bool are_words_written_in_signs(characters_read text, int64_t n_words) {
    int64_t n_holding = 0, at = 0;
    int kinds = 0;
    while (at < text.n) {
        int64_t end = at;
        while (end < text.n && code_at(text, end) != ' ') end++;
        if (end > at && holds_signs(text, at, end)) {
            n_holding++;
            kinds |= kinds_between(text, at, end);
        }
        at = end + 1;
    }
    return n_holding > 1 && n_holding * 2 >= n_words && kinds & IS_AT_OR_DOLLAR;
}

/* Whether three signs or more stand between letters, or signs in half of all words; @ or $ among them. */
static bool is_written_in_signs(characters_read text) {
    int64_t n_between = 0, n_signs = 0, n_words = 0, at = 0;
    int kinds = 0;
    while (at < text.n) {
        n_words += code_at(text, at) != ' ' && is_first(text, at);
        if (!(kind_at(text, at) & IS_SIGN)) {
            at++;
            continue;
        }
        int64_t end = end_of_signs(text, at);
        n_signs += end - at;
        if (kind_at(text, at - 1) & IS_LETTER && kind_at(text, end) & IS_LETTER) {
            n_between += end - at;
            kinds |= kinds_between(text, at, end);
        }
        at = end;
    }
    if (n_between >= FEWEST_BETWEEN_LETTERS && kinds & IS_AT_OR_DOLLAR) return true;
    return n_signs * 2 >= n_words && are_words_written_in_signs(text, n_words);
}

/* Whether a bracket is closed before another one opens. */
static bool is_closed(characters_read text, int64_t at) {
    int64_t place = at + 1;
    while (place < text.n && code_at(text, place) != '(' && code_at(text, place) != ')') place++;
    return place < text.n && code_at(text, place) == ')';
}

/* Whether a sign is read in a text written in signs throughout: no price, no bracketed words, no "50+". */
static bool is_read_anywhere(characters_read text, int64_t at) {
    int64_t code = code_at(text, at), after = at + 1 < text.n ? code_at(text, at + 1) : ' ';
    if (is_first(text, at) && after == ' ') return false;
    if (code == '$') return after < '1' || after > '9';
    if (code == '(') return !is_closed(text, at);
    if (code != '+') return true;
    bool is_read_on = kind_at(text, at + 1) & (IS_LETTER | IS_SIGN) && after != '+';
    bool is_after_aa = at > 1 && code_at(text, at - 1) == '@' && code_at(text, at - 2) == '@';
    return !is_after_aa && (is_read_on || !(kind_at(text, at - 1) & IS_DIGIT));
}

/* Whether a sign follows a letter, unless it is a price. */
static bool is_after_letter(characters_read text, int64_t at) {
    if (!(kind_at(text, at - 1) & IS_LETTER)) return false;
    int next = kind_at(text, at + 1);
    if (code_at(text, at) == '$') return !(next & IS_DIGIT);
    if (code_at(text, at) == '(') return !(next && code_at(text, at + 1) == '$' && kind_at(text, at + 2) & IS_DIGIT);
    return true;
}

/* Whether @ or $ is among the first five signs before a word, and few others follow it. */
static bool begins_with_at_or_dollar(characters_read text, int64_t at, int64_t end) {
    return kinds_between(text, max_of(at, end - 5), min_of(at + 5, end)) & IS_AT_OR_DOLLAR;
}

/* Up to where signs in a row are read as letters; their start if they are not. */
static int64_t end_in_word(characters_read text, int64_t at, int64_t end) {
    bool is_read_on = kind_at(text, end) & (IS_LETTER | IS_DIGIT);
    bool is_sure = end > at + 1 || kind_at(text, at) & STANDS_ALONE;
    if (is_read_on && is_sure && is_after_letter(text, at)) return end;
    bool begins_word = is_first(text, at) && is_read_on && kind_at(text, end + 1) & IS_LETTER;
    if (begins_word && begins_with_at_or_dollar(text, at, end)) return end;
    if (!(kind_at(text, at - 1) & IS_LETTER && kind_at(text, at - 2) & IS_LETTER)) return at;
    for (int64_t last = end - 1; last >= at; last--) {
        if (kind_at(text, last) & IS_AT_OR_DOLLAR && !is_word_at(text, last + 1)) return last + 1;
    }
    return at;
}

static void read_everywhere(characters_read written, const int64_t *letters_read, int64_t *text) {
    for (int64_t at = 0; at < written.n; at++) {
        bool is_read = kind_at(written, at) & IS_SIGN && is_read_anywhere(written, at);
        if (is_read) text[at] = in_place_of(text[at], letters_read[code_at(written, at)]);
    }
}

static void read_in_words(characters_read written, const int64_t *letters_read, int64_t *text) {
    int64_t at = 0;
    while (at < written.n) {
        if (!(kind_at(written, at) & IS_SIGN)) {
            at++;
            continue;
        }
        int64_t end = end_of_signs(written, at), end_of_read = end_in_word(written, at, end);
        for (int64_t place = at; place < end_of_read; place++)
            text[place] = in_place_of(text[place], letters_read[code_at(written, place)]);
        at = end;
    }
}

void read_signs(const signs_tables *tables, int64_t *text, int64_t n, int64_t *written) {
    if (!is_worth_a_look((characters_read){tables->kinds.at, text, n})) return;
    memcpy(written, text, (size_t)n * sizeof *text);
    characters_read as_written = {tables->kinds.at, written, n};
    if (is_written_in_signs(as_written)) {
        read_everywhere(as_written, tables->letters_read.at, text);
    } else {
        read_in_words(as_written, tables->letters_read.at, text);
    }
}
