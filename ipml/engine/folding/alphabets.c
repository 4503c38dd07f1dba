/* Read letters of other alphabets by their company. */
#include "folding/steps.h"

enum { OF_TURNED = 0, N_SCRIPTS = 5, FEWEST_ORNAMENTS = 4 };

/* Return the letter that another replaces in a script, -1 if none. */
static int64_t find_reading(const script_readings *of, int64_t script, int64_t letter) {
    int64_t key = script << SCRIPT_SHIFT | (letter & CODE), place = find_above(of->keys.at, 0, of->keys.n, key - 1);
    return place < of->keys.n && of->keys.at[place] == key ? of->letters.at[place] : -1;
}

/* Write for each letter the one that it replaces in a script, if any. */
static void read_script(int64_t *text, int64_t start, int64_t end, int64_t script, const script_readings *of) {
    for (int64_t at = start; at < end; at++) {
        int64_t read = find_reading(of, script, text[at]);
        if (read >= 0) text[at] = in_place_of(text[at], read);
    }
}

void read_ornaments(int64_t *text, int64_t n, const script_readings *of) {
    for (int64_t script = 1; script < N_SCRIPTS; script++) {
        int64_t n_found = 0, n_standing = 0;
        for (int64_t at = 0; at < n; at++) {
            if ((text[at] & ORNAMENT) >> ORNAMENT_SHIFT != script) continue;
            n_found++;
            n_standing += find_reading(of, script, text[at]) >= 0;
        }
        if (n_found >= FEWEST_ORNAMENTS && n_standing == n_found) read_script(text, 0, n, script, of);
    }
}

/* How many letters upside down some text has: none, one, if repeated, or more, counted as two. */
static int64_t count_turned(const int64_t *text, int64_t start, int64_t end) {
    int64_t first = -1;
    for (int64_t at = start; at < end; at++) {
        if (!(text[at] & TURNED)) continue;
        if (first >= 0 && (text[at] & CODE) != first) return 2;
        first = text[at] & CODE;
    }
    return first >= 0;
}

/* The end of the word that begins at a place; the place itself if none does. */
static int64_t end_of_word(const int64_t *text, int64_t at, int64_t n) {
    while (at < n && text[at] & LETTER) at++;
    return at;
}

void turn_back(int64_t *text, int64_t n, const script_readings *of) {
    if (count_turned(text, 0, n) < 2) return;
    int64_t n_words = 0, n_turned = 0;
    for (int64_t at = 0, end; at < n; at = max_of(end, at + 1)) {
        end = end_of_word(text, at, n);
        n_words += end > at;
        n_turned += count_turned(text, at, end) > 0;
    }
    for (int64_t at = 0, end; at < n; at = max_of(end, at + 1)) {
        end = end_of_word(text, at, n);
        if (n_turned * 2 > n_words || count_turned(text, at, end) > 1) read_script(text, at, end, OF_TURNED, of);
    }
}

/* Write in their places the letters that others look like or replace. */
static void put_aspects(int64_t *text, int64_t start, int64_t end, int aspect, const characters *known) {
    for (int64_t at = start; at < end; at++) text[at] = in_place_of(text[at], describe(text[at], aspect, known));
}

static bool is_ascii_sign(int64_t code) {
    return code == '@' || code == '$' || code == '!' || code == '|' || code == '+' || code == '(';
}

/* The place of the one sign in a row that is not read as a letter; -1 if all are. That is a lone sign, or one
   that is a letter and ends a row of signs that are none. */
static int64_t left_alone(const int64_t *text, int64_t n, int64_t start, int64_t end) {
    if ((start > 0 && text[start - 1] & LETTER) || (end < n && text[end] & LETTER)) return -1;
    if (end - start > 1) return text[end - 1] & LETTER && !(text[end - 2] & LETTER) ? end - 1 : -1;
    bool is_after_sign = start > 0 && is_ascii_sign(text[start - 1] & CODE);
    return is_after_sign && !(end < n && text[end] & DECIMAL) ? -1 : start;
}

/* Read signs of currencies and the like as letters, where they stand at letters or at each other. */
void read_signs_in_words(int64_t *text, int64_t n, const characters *known) {
    int64_t at = 0;
    while (at < n) {
        int64_t end = at;
        while (end < n && text[end] & SIGN) end++;
        int64_t left = end > at ? left_alone(text, n, at, end) : -1;
        for (int64_t place = at; place < end; place++)
            if (place != left) put_aspects(text, place, place + 1, STAND_IN, known);
        at = max_of(end, at + 1);
    }
}

/* How many words hold a letter of an alphabet, and how many of these hold others too. */
static void count_words(const int64_t *text, int64_t n, int64_t alphabet, int64_t *n_holding, int64_t *n_mixed) {
    int64_t holding = 0, mixed = 0, holds = 0, mixes = 0;
    for (int64_t at = 0; at < n; at++) {
        int64_t is_letter = (text[at] & LETTER) != 0, is_other = (text[at] & alphabet) == 0;
        holding += holds & ~is_letter;
        mixed += holds & mixes & ~is_letter;
        holds = (holds | (is_other ^ 1)) & is_letter;
        mixes = (mixes | is_other) & is_letter;
    }
    *n_holding = holding + holds;
    *n_mixed = mixed + (holds & mixes);
}

/* Read the letters of an alphabet that stand at others by their shapes, in place. */
static void read_mixed(int64_t *text, int64_t n, int64_t alphabet, const characters *known) {
    int64_t at = 0;
    while (at < n) {
        int64_t end = at;
        while (end < n && text[end] & alphabet) end++;
        if (end > at && ((at > 0 && text[at - 1] & ALPHA) || (end < n && text[end] & ALPHA))) {
            put_aspects(text, at, end, SHAPE, known);
        }
        at = end + 1;
    }
}

/* The end of words of one alphabet in a row; the start if none begin here. */
static int64_t end_of_pure(const int64_t *text, int64_t n, int64_t start, int64_t alphabet) {
    if (start > 0 && text[start - 1] & LETTER) return start;
    int64_t before = start, word = start, end = start; /* `before` is the end without the last word */
    for (;;) {
        while (end < n && text[end] & alphabet) end++;
        int64_t following = end;
        while (following < n && !(text[following] & (alphabet | LETTER))) following++;
        if (following == end || following == n || !(text[following] & alphabet)) break;
        before = end;
        word = end = following;
    }
    if (end == n || !(text[end] & LETTER)) return end;
    for (int64_t place = end - 1; place > word; place--) {
        if (!(text[place] & LETTER)) return place;
    }
    return before;
}

static bool has_own_shape(const int64_t *text, int64_t start, int64_t end) {
    int64_t flags = 0;
    for (int64_t at = start; at < end; at++) flags |= text[at];
    return flags & OWN_SHAPE;
}

/* Write sounds, and beyond each what will be overwritten: that is quicker than to count its letters. */
static int64_t put_sounds(const int64_t *text, int64_t start, int64_t end, int64_t to, const characters *known,
                          int64_t *other) {
    for (int64_t at = start; at < end; at++) {
        if (!(text[at] & ALPHA)) {
            other[to++] = text[at];
            continue;
        }
        int64_t sound = describe(text[at], SOUND, known);
        const int64_t *letters = known->letters.at + (sound >> 8);
        for (int i = 0; i < MOST_LETTERS_OF_A_SOUND; i++) other[to + i] = in_place_of(text[at], letters[i]);
        to += sound & 0xFF;
    }
    return to;
}

/* Write words of one alphabet: by their shapes if no letter has its own, else by sound if they have one. */
static int64_t put_pure(const int64_t *text, int64_t start, int64_t end, int64_t to, const characters *known,
                        int64_t *other) {
    bool is_own = has_own_shape(text, start, end);
    if (is_own && text[start] & (GREEK | CYRILLIC)) return put_sounds(text, start, end, to, known, other);
    memcpy(other + to, text + start, (size_t)(end - start) * sizeof *other);
    if (!is_own) put_aspects(other, to, to + end - start, SHAPE, known);
    return to + end - start;
}

static int64_t read_pure(const int64_t *text, int64_t n, int64_t alphabet, const characters *known, int64_t *other) {
    int64_t to = 0, at = 0;
    while (at < n) {
        int64_t end = text[at] & alphabet ? end_of_pure(text, n, at, alphabet) : at;
        if (end == at) {
            other[to++] = text[at++];
            continue;
        }
        to = put_pure(text, at, end, to, known, other);
        at = end;
    }
    return to;
}

/* Write a text with the letters of one alphabet read by shape, by sound or not at all; return its length. */
int64_t read_alphabet(int64_t *text, int64_t n, int64_t alphabet, const characters *known, int64_t *other) {
    int64_t n_holding, n_mixed;
    count_words(text, n, alphabet, &n_holding, &n_mixed);
    if (n_mixed * 2 > n_holding) {
        memcpy(other, text, (size_t)n * sizeof *other);
        for (int64_t at = 0; at < n; at++)
            if (text[at] & alphabet) put_aspects(other, at, at + 1, SHAPE, known);
        return n;
    }
    if (n_mixed) read_mixed(text, n, alphabet, known);
    return read_pure(text, n, alphabet, known, other);
}

/* Read words of ideographs that replace letters. */
void read_ideographs(int64_t *text, int64_t n, const characters *known) {
    int64_t at = 0;
    while (at < n) {
        int64_t end = at, n_ideographs = 0, n_others = 0;
        for (; end < n && text[end] & WORD; end++) {
            bool is_ideograph = text[end] & IDEOGRAPH;
            n_ideographs += is_ideograph;
            n_others += !is_ideograph && !((text[end] & CODE) < 0x80 && text[end] & ALPHA);
        }
        bool is_read = end - at > 2 && n_ideographs > 1 && n_others == 0;
        for (int64_t place = at; is_read && place < end; place++)
            if (text[place] & IDEOGRAPH) put_aspects(text, place, place + 1, STAND_IN, known);
        at = end + 1;
    }
}
