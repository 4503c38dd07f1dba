/* Which known word an unknown one stands for: `ipml.features.compiled.spelling.KnownWords`.

   Words begin alike wherever the first letter stays, so a key of known_words.h leads to one word only; where the first
   letter is mistaken, the keys beside it are looked up. */
#ifndef IPML_SLIPS_H
#define IPML_SLIPS_H

#include "spelling/words.h"

/* Return the known word that another most likely stands for; -1 if there is none, -2 if there is not enough memory. */
EXPORT int64_t find_known(const word_set *known, const word_letters *letters, uint8s word);

/* The same of one that is not empty and has no line break. There is room for its sound and, behind that, for the sound
   of a known one: `room_for_sounds`. */
int64_t find_nearest(const word_set *known, const word_letters *letters, const uint8_t *word, int64_t n,
                     uint8_t *scratch);

/* The room for the sounds of words of up to so many letters. */
int64_t room_for_sounds(const word_set *known, int64_t longest);

#endif
