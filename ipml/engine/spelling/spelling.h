/* Misspelt words of many texts at once, read as `ipml.features.spelling.Spelling` says. */
#ifndef IPML_SPELLING_H
#define IPML_SPELLING_H

#include "spelling/words.h"

typedef struct {
    word_set known;    /* the words that others may stand for, among others */
    word_set ordinary; /* words that stand for themselves, known or not */
    word_letters letters;
} spelling_tables;

/* Write which texts change (int64), where each of them ends among their new bytes (int64), and these bytes. */
EXPORT void read_texts(texts folded, const spelling_tables *tables, buffer *rows, buffer *ends, buffer *written);

/* Say of each text, folded and read, whether it holds a longer word that is known; ordinary words are not looked at. */
EXPORT void know_a_word(texts read, const spelling_tables *tables, uint8s_out knows);

#endif
