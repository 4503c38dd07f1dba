/* Known words as slips.c looks for them: under the word itself, the word with any letter hidden, its sound, and the
   word without its vowels.

   They lie in the order of (frequency, word), and those that others may stand for come last: of several, the last
   counts. */
#ifndef IPML_KNOWN_WORDS_H
#define IPML_KNOWN_WORDS_H

#include "spelling/words.h"

enum { LEAST_LETTERS = 5, LEAST_CONSONANTS = 4, LEAST_CONSONANTS_OF_TRADE = 3 }; /* as in `ipml.features.compiled.spelling` */

/* These bits of a key tell of what it is the key; of a word itself they are 0. */
static const uint64_t KEY_OF_PATTERN = (uint64_t)1 << 60;
static const uint64_t KEY_OF_SOUND = (uint64_t)2 << 60;
static const uint64_t KEY_OF_BARE = (uint64_t)3 << 60;

/* Write the table of known words; others may stand for those from the number of the first target on. */
EXPORT void index_known(uint8s lines, int64_t first_target, uint8s is_of_trade, const word_letters *letters,
                        buffer *table);

/* Write how a word sounds, at most two letters for each; return how many. */
int64_t write_sound(const word_letters *letters, const uint8_t *word, int64_t n, uint8_t *sound);

/* Write a word without its vowels but at the start, a letter twice in a row at most; return how many letters. */
int64_t write_bare(const uint8_t *word, int64_t n, uint8_t *bare);

/* Whether a letter is left out of a word without its vowels. */
static inline bool is_vowel(uint8_t letter) {
    return letter == 'a' || letter == 'e' || letter == 'i' || letter == 'o' || letter == 'u';
}

#endif
