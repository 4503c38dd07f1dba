/* Known words: how they sound, what is left of them without vowels, and the table of the keys under which they are. */
#include "spelling/known_words.h"
#include "spelling/word_table.h"

/* The sound of two letters that are read as one; 0 of others, which are read by themselves. */
static uint8_t sound_of_both(uint8_t letter, uint8_t after) {
    if (letter == 'p' && after == 'h') return 'f';
    if (letter == 'c' && after == 'k') return 'k';
    if (letter == 'q' && after == 'u') return 'k';
    return 0;
}

int64_t write_sound(const word_letters *letters, const uint8_t *word, int64_t n, uint8_t *sound) {
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

int64_t write_bare(const uint8_t *word, int64_t n, uint8_t *bare) {
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

EXPORT void index_known(uint8s lines, int64_t first_target, uint8s is_of_trade, const word_letters *letters,
                        buffer *into) {
    int64_t n = 0;
    int64_t *starts = list_words(lines, letters->codes, &n);
    uint64_t *table = starts == NULL ? NULL : make_known_table(starts, n, first_target, lines.n, into);
    uint8_t *scratch = table == NULL ? NULL : malloc((size_t)(2 * table[LONGEST] + 1));
    if (scratch == NULL) {
        into->failed = 1;
        free(starts);
        return;
    }
    const int64_t *ends = starts + n;
    put_words(table, lines, letters->codes.at, starts, ends, n);
    for (int64_t i = n - 1; i >= first_target; i--) {
        int64_t least = is_of_trade.at[i] ? LEAST_CONSONANTS_OF_TRADE : LEAST_CONSONANTS;
        put_target(table, letters, lines.at, starts[i], ends[i] - starts[i], least, scratch);
    }
    free(scratch);
    free(starts);
}
