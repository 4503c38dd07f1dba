/* Undo odd spacing: join letters that stand apart, and shorten those that are held down.

   A text is an array of characters in lower case with their flags. */
#include "folding/steps.h"

enum { SEPARATOR = 0x1F };
enum { LONGEST_GAP = 4, WIDTH_OF_SPACE = 8 };

static inline int64_t code_at(const int64_t *text, int64_t at) { return text[at] & CODE; }

static inline bool is_word_at(const int64_t *text, int64_t at) { return text[at] & WORD && code_at(text, at) != '_'; }

/* Move some characters down; return where the next would go. */
static int64_t move(int64_t *text, int64_t start, int64_t end, int64_t step, int64_t to) {
    for (int64_t at = start; at < end; at += step) text[to++] = text[at];
    return to;
}

/* Whether the same sign stands at every second place of a run without spaces, so many times or more. */
static bool has_sign_between(const int64_t *text, int64_t start, int64_t end, int64_t fewest) {
    if ((end - start) % 2 == 0 || (end - start) / 2 < fewest) return false;
    int64_t sign = code_at(text, start + 1);
    if (sign == '&' || is_word_at(text, start + 1)) return false;
    for (int64_t at = start + 3; at < end; at += 2) {
        if (code_at(text, at) != sign) return false;
    }
    return true;
}

/* Whether single letters are a word written apart: no number, no list of sizes, and not too many signs.

   They stand at every place, or with `step` 2 at every second one. With `words_only`, signs are no letters. Letters
   over `signs_in_a_letter` are the most signs there may be. */
static bool is_written_apart(const int64_t *text, int64_t start, int64_t end, int64_t step, bool words_only,
                             int64_t signs_in_a_letter) {
    int64_t n = 0, n_letters = 0, n_digits = 0, n_sizes = 0;
    for (int64_t at = start; at < end; at += step) {
        int64_t code = code_at(text, at);
        if (code == ' ' || (words_only && !is_word_at(text, at))) continue;
        n++;
        n_letters += (text[at] & ALPHA) != 0;
        n_digits += (text[at] & DIGIT) != 0;
        n_sizes += code == 's' || code == 'm' || code == 'l' || code == 'x';
    }
    int64_t n_signs = n - n_letters - n_digits;
    return n_letters > n_digits && n_signs * signs_in_a_letter <= n && n_sizes < n;
}

static bool is_ascii_digit(int64_t code) { return code >= '0' && code <= '9'; }

/* Whether the characters at every second place are a word, or a ratio like 1:1. */
static bool has_word_between(const int64_t *text, int64_t start, int64_t end) {
    bool is_ratio = end - start == 5 && code_at(text, start + 2) == ':' && is_ascii_digit(code_at(text, start)) &&
                    is_ascii_digit(code_at(text, start + 4));
    return is_ratio || is_written_apart(text, start, end, 2, false, 2);
}

static int64_t end_of_token(const int64_t *text, int64_t n, int64_t at) {
    while (at < n && code_at(text, at) != ' ') at++;
    return at;
}

/* Close up words with the same sign at every second place; short words and numbers too, if `is_throughout`. */
static int64_t write_without_signs(int64_t *text, int64_t n, bool is_throughout) {
    int64_t to = 0, at = 0;
    while (at < n) {
        int64_t end = end_of_token(text, n, at);
        bool skips = has_sign_between(text, at, end, is_throughout ? 1 : 2) &&
                     (is_throughout || has_word_between(text, at, end));
        to = move(text, at, end, skips ? 2 : 1, to);
        if (end < n) to = move(text, end, end + 1, 1, to);
        at = end + 1;
    }
    return to;
}

/* Close up words with the same sign at every second place; short words and numbers too, if most words have one. */
static int64_t skip_signs(int64_t *text, int64_t n) {
    int64_t n_apart = 0, n_spaces = 0, at = 0;
    while (at < n) {
        int64_t end = end_of_token(text, n, at);
        n_apart += has_sign_between(text, at, end, 2) && has_word_between(text, at, end);
        n_spaces += end < n;
        at = end + 1;
    }
    return n_apart == 0 ? n : write_without_signs(text, n, n_apart > 1 && n_apart * 2 > n_spaces + 1);
}

/* A text, and what parts single letters in it: spaces, or signs too. */
typedef struct {
    int64_t *at;
    int64_t n;
    const uint8_t *gaps; /* NULL for spaces only */
} spaced;

static inline bool is_gap(spaced text, int64_t at) {
    int64_t code = code_at(text.at, at);
    return text.gaps != NULL ? code < 0x80 && text.gaps[code] : code == ' ';
}

static bool begins_run(spaced text, int64_t at) {
    if (text.gaps != NULL) return text.at[at] & LETTER && (at == 0 || !is_word_at(text.at, at - 1));
    return code_at(text.at, at) != ' ' && (at == 0 || code_at(text.at, at - 1) == ' ');
}

static bool is_single(spaced text, int64_t at) {
    if (text.gaps != NULL) return is_word_at(text.at, at) && (at + 1 == text.n || !is_word_at(text.at, at + 1));
    return code_at(text.at, at) != ' ' && (at + 1 == text.n || code_at(text.at, at + 1) == ' ');
}

/* The end of three or more single characters with gaps of up to four; the start if there are fewer. */
static int64_t end_of_run(spaced text, int64_t start) {
    int64_t last = start, singles = 1;
    for (;;) {
        int64_t first = last + 1, at = first;
        while (at < text.n && at <= first + LONGEST_GAP && is_gap(text, at)) at++;
        if (at == first || at > first + LONGEST_GAP || at >= text.n || !is_single(text, at)) {
            return singles > 2 ? last + 1 : start;
        }
        last = at;
        singles++;
    }
}

/* How wide a gap is: by its spaces, then by its signs. */
static int64_t width_of_gap(spaced text, int64_t start, int64_t end) {
    int64_t n_spaces = 0;
    for (int64_t at = start; at < end; at++) n_spaces += code_at(text.at, at) == ' ';
    return n_spaces * WIDTH_OF_SPACE + end - start;
}

static int64_t end_of_gap(spaced text, int64_t at, int64_t end) {
    while (at < end && is_gap(text, at)) at++;
    return at;
}

/* Write a run without its narrow gaps, and with a space for wider ones. */
static int64_t close_gaps(spaced text, int64_t start, int64_t end, int64_t to) {
    int64_t narrow = INT64_MAX;
    for (int64_t at = start + 1; at < end;) {
        int64_t letter = end_of_gap(text, at, end);
        narrow = min_of(narrow, width_of_gap(text, at, letter));
        at = letter + 1;
    }
    text.at[to++] = text.at[start];
    for (int64_t at = start + 1; at < end;) {
        int64_t letter = end_of_gap(text, at, end);
        if (width_of_gap(text, at, letter) > narrow) text.at[to++] = in_place_of(text.at[at], ' ');
        text.at[to++] = text.at[letter];
        at = letter + 1;
    }
    return to;
}

/* Join single letters; return how many characters are left. */
static int64_t close_runs(spaced text) {
    int64_t to = 0, at = 0;
    while (at < text.n) {
        int64_t end = begins_run(text, at) ? end_of_run(text, at) : at;
        if (end > at && is_written_apart(text.at, at, end, 1, text.gaps != NULL, 4)) {
            to = close_gaps(text, at, end, to);
        } else {
            end = max_of(end, at + 1);
            to = move(text.at, at, end, 1, to);
        }
        at = end;
    }
    return to;
}

int64_t close_up(const spacing_tables *tables, int64_t *text, int64_t n) {
    n = skip_signs(text, n);
    n = close_runs((spaced){text, n, NULL});
    return close_runs((spaced){text, n, tables->gaps.at});
}

void open_separators(int64_t *text, int64_t n) {
    for (int64_t at = 0; at < n; at++) {
        if (code_at(text, at) == SEPARATOR) text[at] = in_place_of(text[at], ' ');
    }
}

/* The place of the first three characters that are the same; the end if there are none. */
static int64_t start_of_held_down(const int64_t *text, int64_t n) {
    for (int64_t at = 0; at + 2 < n; at++) {
        if (code_at(text, at) == code_at(text, at + 2) && code_at(text, at) == code_at(text, at + 1)) return at;
    }
    return n;
}

int64_t shorten(int64_t *text, int64_t n) {
    int64_t at = start_of_held_down(text, n), to = at;
    while (at < n) {
        int64_t end = at + 1;
        while (end < n && code_at(text, end) == code_at(text, at)) end++;
        bool is_inside = (at > 0 && is_word_at(text, at - 1)) || (end < n && is_word_at(text, end));
        bool is_held_down = end - at > 2 && is_inside && code_at(text, at) < 0x80 && text[at] & ALPHA;
        to = move(text, at, is_held_down ? at + 2 : end, 1, to);
        at = end;
    }
    return to;
}
