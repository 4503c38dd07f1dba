/* Long texts cut into passages that overlap, in whole words. */
#ifndef IPML_PASSAGES_H
#define IPML_PASSAGES_H

#include "base/engine.h"

/* Write the passages of all texts of more than `longest_whole` words, and which text each is from. A passage has
   `n_words` words, and begins `step` words after the one before; the last one ends where its text does. Words are what
   stands between single spaces. The offsets and rows are int64_t. */
EXPORT void cut_passages(texts of, int64_t longest_whole, int64_t n_words, int64_t step, buffer *offsets, buffer *data,
                         buffer *rows);

#endif
