/* A trie of many words as one array, in which a step takes one look: `ipml.features.compiled.phrases`. */
#ifndef IPML_TRIES_H
#define IPML_TRIES_H

#include "base/engine.h"

/* A cell holds whether a word ends there, its base, and, from a bit on, where its parent stands. */
static const int64_t TRIE_WORD = (int64_t)1 << 31;
static const int64_t TRIE_BASE = ((int64_t)1 << 31) - 1;
enum { TRIE_PARENT = 32 };

/* Write the cells, int64, and the number of the word that ends at each, int32, -1 where none does. The words are in
   order, each once and none empty. Returns the most words that end on one way from the root. */
EXPORT outcome build_trie(texts words, buffer *cells, buffer *numbers);

#endif
