/* Count the words that hide what they say. */
#ifndef IPML_DISGUISES_H
#define IPML_DISGUISES_H

#include "folding/characters.h"

/* Count them in the first letters of each text. The units are of sizes, in lower case; the last one may go on. */
EXPORT outcome count_disguised(texts raw, int64_t most, const characters *known, texts units, int64s_out counts);

#endif
