/* Numbers of pieces and ranges of sizes in one text: the patterns of `tests/specification/offers.py`, letter by letter.

   Each function is given a text, `data` up to `end`, and the byte `at` of its first letter or digit. */
#ifndef IPML_LOTS_H
#define IPML_LOTS_H

#include "features/offers.h"

/* The number that some digits write, which are few. */
int64_t read_number(const uint8_t *data, int64_t at, int64_t end);

/* Where the unit ends that follows a number, which ends here; 0 where there is none. A number that is not a whole word
   is followed by an ideograph only. */
int64_t end_of_unit(const uint8_t *data, int64_t at, int64_t end, const offer_table *table, bool is_whole);

/* Where "x10" or "x 10" ends that begins with this x; 0 where there is none, or a size or a name. */
int64_t end_of_pieces(const uint8_t *data, int64_t start, int64_t at, int64_t end, const offer_table *table);

/* Whether a range of European sizes begins here: "36-45", "40 to 46". */
bool is_range_at_number(const uint8_t *data, int64_t at, int64_t end, uint8s kinds);

/* Whether a range of sizes begins here with its country: "us7-us12", "uk 5.5 - 11". */
bool is_range_at_country(const uint8_t *data, int64_t at, int64_t end, uint8s kinds);

/* Whether a range of sizes in letters begins here: "s-xxl", "xs/2xl". */
bool is_range_at_letter(const uint8_t *data, int64_t at, int64_t end, uint8s kinds);

#endif
