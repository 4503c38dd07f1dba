/* Texts, and their chunks between spaces: where chunks end, and what they are told apart by. */
#ifndef IPML_CHUNKS_H
#define IPML_CHUNKS_H

#include "base/engine.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of eight bytes is the lowest of a number");

/* Write the number of each text among the different ones, and a row where each of those stands. Return how many there
   are, -1 where memory ran out; some may be found several times, if there are more than a table holds. */
EXPORT int64_t find_distinct(texts of, int64s_out numbers, int64s_out rows);

static inline uint64_t eight_bytes(const uint8_t *at) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* The bytes from a place to the end of some data, at most eight; the others are 0. */
static inline uint64_t last_bytes(const uint8_t *at, int64_t n) {
    uint64_t bytes = 0;
    memcpy(&bytes, at, (size_t)min_of(n, 8));
    return bytes;
}

/* The first eight bytes of a chunk, or all that it has; `room` is how many there are from its first to the end of the
   data. */
static inline uint64_t first_eight(const uint8_t *chunk, int64_t size, int64_t room) {
    if (size >= 8) return eight_bytes(chunk);
    uint64_t bytes = room >= 8 ? eight_bytes(chunk) : last_bytes(chunk, room);
    return bytes & ~(uint64_t)0 >> (64 - 8 * size);
}

/* The last eight bytes of a chunk whose first ones are known. */
static inline uint64_t last_eight(const uint8_t *chunk, int64_t size, uint64_t first) {
    return size >= 8 ? eight_bytes(chunk + size - 8) : first;
}

/* The place of a chunk in a table with 2^bits places. */
static inline int64_t place_of(uint64_t first, uint64_t last, int64_t bits) {
    return (int64_t)(((first * 0xFF51AFD7ED558CCD ^ last) * 0xC4CEB9FE1A85EC53) >> (64 - bits));
}

/* How many bits a place has in a table for texts of so many bytes. */
static inline int64_t bits_of_places(int64_t n_bytes, int64_t most_bits) {
    int64_t bits = 4; /* places for as many as a few chunks have bytes, 32 */
    while (bits < most_bits && (int64_t)32 << bits < n_bytes) bits++;
    return bits;
}

#endif
