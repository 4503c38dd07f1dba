/* From UTF-8 to characters with their flags, from each of these to what it reads as, and back to UTF-8. */
#include "folding/steps.h"

#include "base/letters.h"

enum { END_OF_REVERSED = 0x202C };
enum { LAST_HIRAGANA = 0x309F, FIRST_HALF_WIDTH = 0xFF66, LAST_HALF_WIDTH = 0xFF9D }; /* kana */

/* Whether a character reads as others do beside it, or says how they are read. */
static inline bool needs_company(int64_t flags) {
    return flags & (GREEK | CYRILLIC | LIVING | MARK | SIGN | IDEOGRAPH | TURNED | REVERSING | ORNAMENT | MISSING);
}

static inline bool may_begin_markup(uint8_t byte) {
    return byte == '<' || byte == '&' || byte == '%' || byte == '\\';
}

/* Write what a character reads as in ASCII; return the new length, or -1 if it depends on others or is not known. */
static int64_t read_letter_alone(int64_t code, int64_t most, const characters *known, uint8_t *read, int64_t n) {
    int64_t flags = describe(code, ITSELF, known);
    if (needs_company(flags)) return -1;
    if (flags & INVISIBLE) return n;
    int64_t reading = describe(code, READING, known);
    const int64_t *letters = known->letters.at + (reading >> 8);
    for (int64_t i = 0; i < (reading & 0xFF); i++) {
        int64_t letter = letters[i] & CODE;
        if (letter >= 0x80) return -1;
        if (n < most) read[n++] = (uint8_t)letter;
    }
    return n;
}

/* Write the first letters of what a text reads as in ASCII; return their number, or -1 if a character depends on
   others or is not known. So it does where there may be markup. */
int64_t read_alone(const uint8_t *data, int64_t start, int64_t end, int64_t most, const characters *known,
                   const ascii_characters *ascii, uint8_t *read) {
    const int64_t *readings = ascii->readings.at;
    int64_t n = 0;
    for (int64_t at = start; at < end && n < most;) {
        uint8_t byte = data[at];
        if (byte < 0x80) {
            if (may_begin_markup(byte)) return -1;
            int64_t letter = readings[byte];
            read[n] = (uint8_t)(letter & CODE);
            n += letter != NOTHING;
            at++;
            continue;
        }
        n = read_letter_alone(letter_at(data, at), most, known, read, n);
        if (n < 0) return -1;
        at += size_of_letter(byte);
    }
    return n;
}

bool ask_pages(texts of, const characters *known) {
    const uint8_t *data = of.data.at;
    for (int64_t at = of.offsets.at[0], end = of.offsets.at[of.offsets.n - 1]; at < end; at++)
        if (data[at] >= 0xC0) look_up(letter_at(data, at), ITSELF, known);
    return lacks_pages(known);
}

/* Write the characters of a text, and all their flags; return their number. `places`, unless NULL, says where each byte
   was written. */
int64_t decode(const uint8_t *data, int64_t start, int64_t end, const characters *known, const ascii_characters *ascii,
               const int32_t *places, int64_t *text, int64_t *seen) {
    int64_t n = 0, every = 0;
    for (int64_t at = start; at < end; at += size_of_letter(data[at])) {
        int64_t letter =
            data[at] < 0x80 ? ascii->itself.at[data[at]] : look_up(letter_at(data, at), ITSELF, known);
        every |= letter;
        if (places != NULL) letter |= (int64_t)places[at] << PLACE_SHIFT;
        text[n++] = letter;
    }
    *seen = every;
    return n;
}

static void reverse(int64_t *text, int64_t n) {
    for (int64_t i = 0; i < n / 2; i++) {
        int64_t letter = text[i];
        text[i] = text[n - 1 - i];
        text[n - 1 - i] = letter;
    }
}

/* Put runs that are shown from right to left into the order in which they are read, in place; return the length. */
int64_t turn_round(int64_t *text, int64_t n) {
    int64_t to = 0, at = 0;
    while (at < n) {
        if (!(text[at] & REVERSING)) {
            text[to++] = text[at++];
            continue;
        }
        int64_t start = at + 1, end = start;
        while (end < n && !(text[end] & REVERSING) && (text[end] & CODE) != END_OF_REVERSED) end++;
        reverse(text + start, end - start);
        for (int64_t place = start; place < end; place++) text[to++] = text[place];
        at = end + (end < n && (text[end] & CODE) == END_OF_REVERSED);
    }
    return to;
}

/* The kana that another and a voice mark after it make; 0 if they make none. Katakana stand 0x60 after hiragana. */
static int64_t join_kana(int64_t kana, bool is_half_voiced) {
    bool is_katakana = kana > LAST_HIRAGANA;
    int64_t base = is_katakana ? kana - 0x60 : kana;
    bool is_of_h = base >= 0x306F && base <= 0x307B && base % 3 == 0;
    bool is_of_k_to_ch = base >= 0x304B && base <= 0x3061 && base % 2 == 1;
    bool is_voiced = is_of_k_to_ch || (base >= 0x3064 && base <= 0x3068 && base % 2 == 0);
    if (is_half_voiced) return is_of_h ? kana + 2 : 0;
    if (base == 0x3046) return is_katakana ? 0x30F4 : 0x3094;
    return is_of_h || is_voiced ? kana + 1 : 0;
}

/* Join kana with the voice marks that stand after them, as those of half width always do; return the length. */
int64_t join_voice_marks(int64_t *text, int64_t n, const characters *known) {
    int64_t kept = 0;
    for (int64_t at = 0; at < n; at++) {
        int64_t mark = text[at] & CODE, before = kept > 0 ? text[kept - 1] & CODE : 0;
        bool is_mark = mark == 0x3099 || mark == 0x309A || mark == 0xFF9E || mark == 0xFF9F;
        if (is_mark && FIRST_HALF_WIDTH <= before && before <= LAST_HALF_WIDTH) {
            before = known->letters.at[describe(before, READING, known) >> 8] & CODE;
        }
        int64_t joined = is_mark ? join_kana(before, mark == 0x309A || mark == 0xFF9F) : 0;
        if (joined) text[kept - 1] = in_place_of(text[kept - 1], look_up(joined, ITSELF, known));
        else text[kept++] = text[at];
    }
    return kept;
}

/* Drop letters without a width of their own but where they are spelt with the letter before; return the length. */
int64_t drop_invisible(int64_t *text, int64_t n) {
    int64_t kept = 0;
    for (int64_t at = 0; at < n; at++) {
        bool is_spelt = text[at] & MARK && kept > 0 && text[kept - 1] & MARK;
        if (text[at] & INVISIBLE && !is_spelt) continue;
        text[kept++] = text[at];
    }
    return kept;
}

/* Write the first letters of what every character reads as, and whether all are ASCII; return their number. */
int64_t read_letters(const int64_t *text, int64_t n, int64_t most, const characters *known,
                     const ascii_characters *ascii, int64_t *read, bool *is_ascii) {
    int64_t written = 0, every = 0;
    for (int64_t at = 0; at < n && written < most; at++) {
        int64_t code = text[at] & CODE;
        if (code < 0x80) {
            int64_t letter = ascii->readings.at[code];
            if (letter != NOTHING) read[written++] = in_place_of(text[at], letter);
            continue;
        }
        int64_t reading = describe(code, READING, known);
        const int64_t *letters = known->letters.at + (reading >> 8);
        int64_t n_letters = min_of(reading & 0xFF, most - written);
        for (int64_t i = 0; i < n_letters; i++) {
            every |= letters[i];
            read[written++] = in_place_of(text[at], letters[i]);
        }
    }
    *is_ascii = (every & CODE) < 0x80;
    return written;
}

/* Write the characters that ASCII bytes read as, unless they are readings already; return their number. */
int64_t widen(const uint8_t *data, int64_t start, int64_t end, bool is_read, const ascii_characters *ascii,
              int64_t *text) {
    const int64_t *letters = is_read ? ascii->itself.at : ascii->readings.at;
    int64_t n = 0;
    for (int64_t at = start; at < end; at++) {
        int64_t letter = letters[data[at]];
        if (letter != NOTHING) text[n++] = letter;
    }
    return n;
}

/* Write ASCII characters as bytes. */
void narrow(const int64_t *text, int64_t n, uint8_t *read) {
    for (int64_t at = 0; at < n; at++) read[at] = (uint8_t)(text[at] & CODE);
}

/* Write a code point in UTF-8; return where it ends. */
int64_t put_letter(int64_t code, uint8_t *into, int64_t to) {
    if (code < 0x80) {
        into[to] = (uint8_t)code;
        return to + 1;
    }
    if (code < 0x800) {
        into[to] = (uint8_t)(0xC0 | code >> 6);
        into[to + 1] = (uint8_t)(0x80 | (code & 0x3F));
        return to + 2;
    }
    if (code < 0x10000) {
        into[to] = (uint8_t)(0xE0 | code >> 12);
    } else {
        into[to] = (uint8_t)(0xF0 | code >> 18);
        into[to + 1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        to++;
    }
    into[to + 1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    into[to + 2] = (uint8_t)(0x80 | (code & 0x3F));
    return to + 3;
}

/* Write characters in UTF-8, with single spaces; return where they end. */
int64_t encode(const int64_t *text, int64_t n, uint8_t *folded, int64_t first) {
    int64_t to = first;
    for (int64_t at = 0; at < n; at++) {
        int64_t code = text[at] & CODE;
        if (code == ' ' && (to == first || folded[to - 1] == ' ')) continue;
        to = put_letter(code, folded, to);
    }
    return to > first && folded[to - 1] == ' ' ? to - 1 : to;
}
