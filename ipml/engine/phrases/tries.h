/* A trie of many words as one array, in which a step takes one look: `ipml.features.compiled.phrases`. */
#ifndef IPML_TRIES_H
#define IPML_TRIES_H

#include "base/engine.h"

/* A cell holds whether a word ends there, its base, and, from a bit on, where its parent stands. */
static const int64_t TRIE_WORD = (int64_t)1 << 31;
static const int64_t TRIE_BASE = ((int64_t)1 << 31) - 1;
enum { TRIE_PARENT = 32 };

#endif
