/* Known words: the table of the keys under which they are; and which of them an unknown one means, as it is a slip
   away, of the same sound, or left without vowels. */
#include "spelling/known_words.h"

#include "spelling/words.h"

/* "rlx" is hardly anything else, but "cds" need not be codes. */
enum { LEAST_CONSONANTS = 4, LEAST_CONSONANTS_OF_TRADE = 3 };

/* These bits of a key tell of what it is the key; of a word itself they are 0. */
static const uint64_t KEY_OF_PATTERN = (uint64_t)1 << 60;
static const uint64_t KEY_OF_SOUND = (uint64_t)2 << 60;
static const uint64_t KEY_OF_BARE = (uint64_t)3 << 60;

/* The table */

/* The sound of two letters that are read as one; 0 for others, which are read alone. */
static uint8_t sound_of_both(uint8_t letter, uint8_t after) {
    if (letter == 'p' && after == 'h') return 'f';
    if (letter == 'c' && after == 'k') return 'k';
    if (letter == 'q' && after == 'u') return 'k';
    return 0;
}

/* Write how a word sounds, at most two letters for each; return how many. */
static int64_t write_sound(const word_letters *letters, const uint8_t *word, int64_t n, uint8_t *sound) {
    int64_t written = 0;
    for (int64_t at = 0; at < n; at++) {
        uint8_t letter = word[at], after = at + 1 < n ? word[at + 1] : 0;
        uint8_t both = sound_of_both(letter, after);
        if (both != 0) {
            sound[written++] = both;
            if (letter == 'q') sound[written++] = 'w';
            at++;
            continue;
        }
        sound[written++] = letters->sounds.at[2 * letter];
        if (letters->sounds.at[2 * letter + 1] != 0) sound[written++] = letters->sounds.at[2 * letter + 1];
        if (letter == after && letters->may_double.at[letter]) at++;
    }
    return written;
}

/* Whether a letter is left out of a word without its vowels. */
static bool is_vowel(uint8_t letter) {
    return letter == 'a' || letter == 'e' || letter == 'i' || letter == 'o' || letter == 'u';
}

/* Write a word without its vowels but at the start, a letter twice in a row at most; return how many letters. */
static int64_t write_bare(const uint8_t *word, int64_t n, uint8_t *bare) {
    int64_t written = 0;
    for (int64_t at = 0; at < n; at++) {
        bool is_third = written >= 2 && bare[written - 1] == word[at] && bare[written - 2] == word[at];
        if (at == 0 || !(is_vowel(word[at]) || is_third)) bare[written++] = word[at];
    }
    return written;
}

/* The number of the last letters of a word, as many as a short one has; the same if it is short. */
static uint64_t last_letters(const uint8_t *codes, const uint8_t *word, int64_t n) {
    int64_t from = max_of(0, n - SHORT_WORD);
    return add_letters(0, codes, word + from, n - from, base_for(1));
}

/* Put the powers of the bases of shorter and of longer words into a table. */
static void put_powers(uint64_t *table, int64_t n) {
    for (int kind = 0; kind < 2; kind++) {
        uint64_t power = 1;
        for (int64_t at = 0; at < n; at++) {
            table[table[POWERS + kind] + (uint64_t)at] = power;
            power *= base_for(SHORT_WORD + kind);
        }
    }
}

static void put_with_bits(uint64_t *table, uint64_t key, int64_t word) {
    put_key(table, KEYS, key, word);
    put_bits(table, MAY_BE_KEY, key);
}

/* Put a word under each of its keys with one letter hidden. */
static void put_patterns(uint64_t *table, const uint8_t *codes, const uint8_t *lines, int64_t word, int64_t n) {
    uint64_t base = base_for(n), power = 1;
    uint64_t whole = add_letters(0, codes, lines + word, n, base);
    for (int64_t at = n - 1; at >= 0; at--) {
        uint64_t number = whole + (CODE_OF_STAR - digit_of(codes, lines[word + at])) * power;
        put_with_bits(table, key_of(number, n) | KEY_OF_PATTERN, word);
        power *= base;
    }
}

/* Put a word under each key by which it is found. */
static void put_target(uint64_t *table, const word_letters *letters, const uint8_t *lines, int64_t word, int64_t n,
                       int64_t least_consonants, uint8_t *scratch) {
    const uint8_t *codes = letters->codes.at;
    put_with_bits(table, key_of_word(codes, lines + word, n), word);
    put_patterns(table, codes, lines, word, n);
    if (n < LEAST_LETTERS) return;
    put_bits(table, MAY_BE_JOINED, joined_key(last_letters(codes, lines + word, n), n));
    int64_t written = write_sound(letters, lines + word, n, scratch);
    put_with_bits(table, key_of_word(codes, scratch, written) | KEY_OF_SOUND, word);
    written = write_bare(lines + word, n, scratch);
    if (written < least_consonants) return;
    put_with_bits(table, key_of_word(codes, scratch, written) | KEY_OF_BARE, word);
}

/* Write an empty table of so many words; NULL if memory ran out. */
static uint64_t *make_known_table(const int64_t *starts, int64_t n, int64_t first_target, int64_t end, buffer *into) {
    const int64_t *ends = starts + n;
    int64_t n_keys = 0, longest = 0;
    for (int64_t i = 0; i < n; i++) {
        longest = max_of(longest, ends[i] - starts[i]);
        n_keys += i >= first_target ? ends[i] - starts[i] + 3 : 0;
    }
    uint64_t *table = make_word_table(into, n, n_keys, n - first_target, longest + 3);
    if (table == NULL) return NULL;
    put_powers(table, longest + 3);
    table[LONGEST] = (uint64_t)longest;
    table[FIRST_TARGET] = (uint64_t)(first_target < n ? starts[first_target] : end);
    return table;
}

/* Write the table of known words; others may mean those from the number of the first target on. */
EXPORT outcome index_known(uint8s lines, int64_t first_target, uint8s is_of_trade, const word_letters *letters,
                           buffer *into) {
    REQUIRE(are_word_letters(letters) && first_target >= 0 && are_lines(lines));
    int64_t n = 0;
    int64_t *starts = list_words(lines, letters->codes, &n);
    uint64_t *table = starts == NULL ? NULL : make_known_table(starts, n, first_target, lines.n, into);
    uint8_t *scratch = table == NULL ? NULL : malloc((size_t)(2 * table[LONGEST] + 1));
    if (scratch == NULL) {
        into->failed = 1;
        free(starts);
        return 0;
    }
    const int64_t *ends = starts + n;
    if (is_of_trade.n != n) {
        free(starts), free(scratch);
        return BAD_LENGTHS;
    }
    put_words(table, lines, letters->codes.at, starts, ends, n);
    for (int64_t i = n - 1; i >= first_target; i--) {
        int64_t least = is_of_trade.at[i] ? LEAST_CONSONANTS_OF_TRADE : LEAST_CONSONANTS;
        put_target(table, letters, lines.at, starts[i], ends[i] - starts[i], least, scratch);
    }
    free(scratch);
    free(starts);
    return 0;
}

/* The word that another one means */

/* A word that is looked for among known ones. */
typedef struct {
    const uint64_t *table;
    const uint8_t *lines;
    const word_letters *letters;
    const uint8_t *codes;
    const uint8_t *word;
    int64_t n;
} search;

/* Say of most short words at once that they are near no known word. The number of a short word has five bits for each
   letter, so that shifts make the keys of all words near it. */

enum { MOST_NEAR = SHORT_WORD - 1 }; /* letters of a word looked at so: with one letter more it is still short */

static inline uint64_t bits_below(uint64_t place) { return ((uint64_t)1 << place) - 1; }

/* The key of a word with a hidden letter more, after that at a place: so many bits stand behind the letter. */
static inline uint64_t with_more(uint64_t number, uint64_t place) {
    uint64_t before = number >> place << CODE_BITS | CODE_OF_STAR;
    return before << place | (number & bits_below(place)) | KEY_OF_PATTERN;
}

/* The key of a word without the letter at a place. */
static inline uint64_t with_less(uint64_t number, uint64_t place) {
    return number >> place >> CODE_BITS << place | (number & bits_below(place));
}

/* The key of a word with the letter at a place and the one before swapped. */
static inline uint64_t with_swapped(uint64_t number, uint64_t place) {
    uint64_t both = (number >> place ^ number >> place >> CODE_BITS) & CODE_OF_LETTER;
    return number ^ (both << place | both << place << CODE_BITS);
}

/* The key of a word with the letter at a place hidden. */
static inline uint64_t with_hidden(uint64_t number, uint64_t place) {
    return (number & ~((uint64_t)CODE_OF_LETTER << place)) | (uint64_t)CODE_OF_STAR << place | KEY_OF_PATTERN;
}

/* Whether a short word may be one slip away from a known one; most that are not are known to be none. Every key is
   looked for in a filter, without a branch, also those that are left out below. The letters whose keys are beside that
   of the first one are handed over. */
static bool may_be_near(const uint64_t *table, uint64_t number, int64_t n, uint64_t beside, uint64_t other_beside) {
    uint64_t first = (uint64_t)(CODE_BITS * (n - 1));
    uint64_t rest = number & bits_below(first);
    bool found = may_have(table, MAY_BE_KEY, number);
    found |= may_have(table, MAY_BE_KEY, with_more(number, first));
    found |= may_have(table, MAY_BE_KEY, beside << first | rest);
    found |= may_have(table, MAY_BE_KEY, other_beside << first | rest);
    for (uint64_t place = 0; place < first; place += CODE_BITS) {
        found |= may_have(table, MAY_BE_KEY, with_more(number, place));
        found |= may_have(table, MAY_BE_KEY, with_less(number, place));
        found |= may_have(table, MAY_BE_KEY, with_swapped(number, place));
        found |= may_have(table, MAY_BE_KEY, with_hidden(number, place));
    }
    return found;
}

/* Words one slip away */

/* The powers of the base for words of so many letters. */
static const uint64_t *powers_for(const uint64_t *table, int64_t n) {
    return table + table[POWERS + (n > SHORT_WORD ? 1 : 0)];
}

/* Whether a long known word is that looked for but for a slip: what comes before it, and what comes after. */
static bool agrees(const search *of, int64_t word, int64_t head, int64_t known_from, int64_t word_from) {
    const uint8_t *known = of->lines + word;
    if (!is_same(known, of->word, head)) return false;
    for (int64_t at = head; at < known_from; at++) {
        if (known[at] == END_OF_WORD) return false;
    }
    int64_t n_after = of->n - word_from;
    if (!is_same(known + known_from, of->word + word_from, n_after)) return false;
    if (known[known_from + n_after] != END_OF_WORD) return false;
    bool is_swap = known_from == head + 2;
    return !is_swap || (known[head] == of->word[head + 1] && known[head + 1] == of->word[head]);
}

/* Return the word under a key; a long one only if it agrees with that looked for but for a slip after so many
   letters, from where on in each they are the same again. */
static int64_t look_up(const search *of, uint64_t key, int64_t head, int64_t known_from, int64_t word_from) {
    const uint64_t *table = of->table;
    if (!may_have(table, MAY_BE_KEY, key)) return -1;
    int64_t best = -1, slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key);
    if (slot >= 0 && key < LONG_KEY) return word_in(table, KEYS, slot);
    while (slot >= 0) {
        int64_t word = word_in(table, KEYS, slot);
        if (agrees(of, word, head, known_from, word_from)) best = max_of(best, word);
        slot = find_next_slot(table, KEYS, slot, key);
    }
    return best;
}

/* Return the best word with one letter changed, the first only to that of a key beside; or the word itself. */
static int64_t find_one_changed(const search *of) {
    int64_t n = of->n;
    const uint64_t *powers = powers_for(of->table, n);
    uint64_t whole = add_letters(0, of->codes, of->word, n, base_for(n));
    int64_t best = look_up(of, key_of(whole, n), 0, 0, 0);
    for (int side = 0; side < 2; side++) {
        uint8_t beside = of->letters->beside.at[2 * of->word[0] + side];
        if (beside == 0) continue;
        uint64_t further = digit_of(of->codes, beside) - digit_of(of->codes, of->word[0]);
        best = max_of(best, look_up(of, key_of(whole + further * powers[n - 1], n), 0, 1, 1));
    }
    for (int64_t at = 1; at < n; at++) {
        uint64_t number = whole + (CODE_OF_STAR - digit_of(of->codes, of->word[at])) * powers[n - 1 - at];
        best = max_of(best, look_up(of, key_of(number, n) | KEY_OF_PATTERN, at, at + 1, at + 1));
    }
    return best;
}

/* Return the best word with one letter more, not before the first. */
static int64_t find_one_more(const search *of) {
    int64_t n = of->n, best = -1;
    const uint64_t *powers = powers_for(of->table, n + 1);
    uint64_t before = 0, after = add_letters(0, of->codes, of->word, n, base_for(n + 1));
    for (int64_t at = 1; at <= n; at++) {
        uint64_t letter = digit_of(of->codes, of->word[at - 1]);
        before = before * powers[1] + letter;
        after -= letter * powers[n - at];
        uint64_t number = before * powers[n - at + 1] + CODE_OF_STAR * powers[n - at] + after;
        best = max_of(best, look_up(of, key_of(number, n + 1) | KEY_OF_PATTERN, at, at + 1, at));
    }
    return best;
}

/* Return the best word with one letter less, but the first. */
static int64_t find_one_less(const search *of) {
    int64_t n = of->n, best = -1;
    const uint64_t *powers = powers_for(of->table, n - 1);
    uint64_t before = digit_of(of->codes, of->word[0]);
    uint64_t after = add_letters(0, of->codes, of->word + 1, n - 1, base_for(n - 1));
    for (int64_t at = 1; at < n; at++) {
        uint64_t letter = digit_of(of->codes, of->word[at]);
        after -= letter * powers[n - 1 - at];
        uint64_t key = key_of(before * powers[n - 1 - at] + after, n - 1);
        best = max_of(best, look_up(of, key, at, at, at + 1));
        before = before * powers[1] + letter;
    }
    return best;
}

static bool begins_alike(const search *of, uint8_t one, uint8_t other) {
    const uint8_t *beside = of->letters->beside.at + 2 * one;
    return one == other || beside[0] == other || beside[1] == other;
}

/* Return the best word with two neighbours swapped, the first two only if their keys are so, too. */
static int64_t find_one_swapped(const search *of) {
    int64_t n = of->n, best = -1;
    const uint64_t *powers = powers_for(of->table, n);
    uint64_t whole = add_letters(0, of->codes, of->word, n, base_for(n));
    for (int64_t at = begins_alike(of, of->word[0], of->word[1]) ? 0 : 1; at < n - 1; at++) {
        uint64_t further = digit_of(of->codes, of->word[at + 1]) - digit_of(of->codes, of->word[at]);
        uint64_t number = whole + further * (powers[n - 1 - at] - powers[n - 2 - at]);
        best = max_of(best, look_up(of, key_of(number, n), at, at + 2, at + 2));
    }
    return best;
}

static int64_t find_one_slip_away(const search *of) {
    int64_t n = of->n, best = -1, longest = (int64_t)of->table[LONGEST];
    if (n > longest + 1 || n < LEAST_LETTERS - 1) return -1;
    if (n < longest) best = find_one_more(of);
    if (n > LEAST_LETTERS) best = max_of(best, find_one_less(of));
    if (n <= longest) best = max_of(best, find_one_swapped(of));
    if (n <= longest && n >= LEAST_LETTERS) best = max_of(best, find_one_changed(of));
    return best;
}

/* Words with hidden letters */

static bool is_sign(const search *of, int64_t at) { return (of->codes[of->word[at]] & CODE_OF_SIGN) != 0; }

/* Whether the word looked for, which has hidden letters, is a known one with one letter hidden. */
static bool is_pattern_of(const search *of, int64_t word) {
    if (length_of(of->lines, word) != of->n) return false;
    int64_t n_others = 0;
    for (int64_t at = 0; at < of->n; at++) {
        bool is_hidden = is_sign(of, at);
        if (of->lines[word + at] != (is_hidden ? '*' : of->word[at])) n_others += is_hidden ? 1 : 2;
    }
    return n_others <= 1;
}

/* Return the best word that one with hidden letters may be. */
static int64_t find_of_pattern(const search *of) {
    int64_t n = of->n, best = -1;
    const uint64_t *table = of->table;
    if (n > (int64_t)table[LONGEST]) return -1;
    uint64_t number = 0;
    for (int64_t at = 0; at < n; at++) {
        number = number * base_for(n) + (is_sign(of, at) ? CODE_OF_STAR : digit_of(of->codes, of->word[at]));
    }
    uint64_t key = key_of(number, n) | KEY_OF_PATTERN;
    if (!may_have(table, MAY_BE_KEY, key)) return -1;
    int64_t slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key);
    while (slot >= 0) {
        int64_t word = word_in(table, KEYS, slot);
        if (n <= SHORT_WORD || is_pattern_of(of, word)) best = max_of(best, word);
        slot = find_next_slot(table, KEYS, slot, key);
    }
    return best;
}

/* Words of one sound, or without vowels */

/* Whether what is written first is the sound of a word, or the word without vowels; that is written behind. */
static bool is_written(const search *of, uint64_t kind, int64_t word, uint8_t *written, int64_t n) {
    const uint8_t *known = of->lines + word;
    int64_t length = length_of(of->lines, word);
    int64_t n_known = kind == KEY_OF_SOUND ? write_sound(of->letters, known, length, written + n)
                                           : write_bare(known, length, written + n);
    return n_known == n && is_same(written + n, written, n);
}

/* Return the best word that sounds so, or is so without its vowels. */
static int64_t find_written(const search *of, uint64_t kind, uint8_t *written, int64_t n) {
    const uint64_t *table = of->table;
    uint64_t key = key_of_word(of->codes, written, n) | kind;
    if (!may_have(table, MAY_BE_KEY, key)) return -1;
    int64_t best = -1, slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key);
    while (slot >= 0) {
        int64_t word = word_in(table, KEYS, slot);
        if (n <= SHORT_WORD || is_written(of, kind, word, written, n)) best = max_of(best, word);
        slot = find_next_slot(table, KEYS, slot, key);
    }
    return best;
}

/* Whether the word looked for has a vowel that is not its first letter. */
static bool has_vowel_within(const search *of) {
    for (int64_t at = 1; at < of->n; at++) {
        if (is_vowel(of->word[at])) return true;
    }
    return false;
}

/* The letter whose key is beside that of the first one as a digit, 0 for none. */
static uint64_t beside_first(const search *of, int side) {
    return digit_of(of->codes, of->letters->beside.at[2 * of->word[0] + side]);
}

int64_t find_nearest(const word_set *known, const word_letters *letters, const uint8_t *word, int64_t n,
                     uint8_t *scratch) {
    const search of = {known->table.at, known->lines.at, letters, letters->codes.at, word, n};
    if (n > 4 * (int64_t)of.table[LONGEST]) return -1;
    uint64_t number = 0;
    uint8_t seen = 0;
    for (int64_t at = 0; at < n; at++) {
        seen |= of.codes[word[at]];
        number = number << CODE_BITS | digit_of(of.codes, word[at]);
    }
    if (seen & CODE_OF_SIGN) return find_of_pattern(&of);
    int64_t best = -1;
    if (n > MOST_NEAR || may_be_near(of.table, number, n, beside_first(&of, 0), beside_first(&of, 1))) {
        best = find_one_slip_away(&of);
    }
    if (best < 0) best = find_written(&of, KEY_OF_SOUND, scratch, write_sound(letters, word, n, scratch));
    if (best >= 0 || has_vowel_within(&of)) return best;
    return find_written(&of, KEY_OF_BARE, scratch, write_bare(word, n, scratch));
}

int64_t room_for_sounds(const word_set *known, int64_t longest) {
    int64_t of_known = (int64_t)known->table.at[LONGEST];
    return 2 * min_of(longest, 4 * of_known) + 2 * of_known + 2;
}

/* Return one more than the known word that another most likely means, 0 if there is none. */
EXPORT outcome find_known(const word_set *known, const word_letters *letters, uint8s word) {
    REQUIRE(are_word_letters(letters) && is_word_set(known));
    if (word.n == 0 || memchr(word.at, END_OF_WORD, (size_t)word.n) != NULL) return 0;
    uint8_t *scratch = malloc((size_t)room_for_sounds(known, word.n));
    if (scratch == NULL) return OUT_OF_MEMORY;
    int64_t found = 1 + find_nearest(known, letters, word.at, word.n, scratch);
    free(scratch);
    return found;
}
