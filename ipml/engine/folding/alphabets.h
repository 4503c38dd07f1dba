/* Read letters of other alphabets by their company: `ipml.features.look_alikes.read_words`. */
#ifndef IPML_ALPHABETS_H
#define IPML_ALPHABETS_H

#include "folding/characters.h"

/* What letters stand for in a text that is written in a far script throughout, or upside down. The key of a letter is
   its code, and above that the number of the script, 0 for letters upside down; in order. */
typedef struct {
    int64s keys;
    int64s letters; /* with their flags */
} script_readings;

enum { SCRIPT_SHIFT = 21 };

/* Read letters of far scripts that stand for Latin ones, where a text has no others of their script. */
void read_ornaments(int64_t *text, int64_t n, const script_readings *of);

/* Turn words back that are written upside down. */
void turn_back(int64_t *text, int64_t n, const script_readings *of);

void read_signs_in_words(int64_t *text, int64_t n, const characters *known);
int64_t read_alphabet(int64_t *text, int64_t n, int64_t alphabet, const characters *known, int64_t *other);
void read_ideographs(int64_t *text, int64_t n, const characters *known);

#endif
