/* Read letters of other alphabets by their company: `ipml.features.look_alikes.read_words`. */
#ifndef IPML_ALPHABETS_H
#define IPML_ALPHABETS_H

#include "folding/characters.h"

bool has_ornaments(const int64_t *text, int64_t n);
void read_signs_in_words(int64_t *text, int64_t n, const characters *known);
int64_t read_alphabet(int64_t *text, int64_t n, int64_t alphabet, const characters *known, int64_t *other);
void read_ideographs(int64_t *text, int64_t n, const characters *known);

#endif
