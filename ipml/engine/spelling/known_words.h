/* Known words, and which of them an unknown one means: `ipml.features.compiled.spelling.KnownWords`.

   They are found under the word itself, the word with any letter hidden, its sound, and the word without its vowels.
   They lie in the order of (frequency, word), and those that others may mean come last: of several, the last
   counts. Words begin alike wherever the first letter stays, so a key leads to one word only; where the first letter is
   mistaken, the keys beside it are looked up. */
#ifndef IPML_KNOWN_WORDS_H
#define IPML_KNOWN_WORDS_H

#include "spelling/spelling.h"

enum { LEAST_LETTERS = 5 }; /* as in `ipml.features.compiled.spelling` */

/* The same of one that is not empty and has no line break. There is room for its sound and, behind that, for the sound
   of a known one: `room_for_sounds`. */
int64_t find_nearest(const word_set *known, const word_letters *letters, const uint8_t *word, int64_t n,
                     uint8_t *scratch);

/* The room for the sounds of words of up to so many letters. */
int64_t room_for_sounds(const word_set *known, int64_t longest);

#endif
