/* Working space of one call: blocks of memory and buffers that are given back as a whole. */
#ifndef IPML_SPACE_H
#define IPML_SPACE_H

#include "base/engine.h"

enum { MOST_BLOCKS = 128, MOST_BUFFERS = 48 };
typedef struct {
    void *blocks[MOST_BLOCKS];
    int64_t n_blocks;
    buffer buffers[MOST_BUFFERS];
    int64_t n_buffers;
    bool failed;
} space;

/* Room for so many elements, all 0; a last one more, so that there is always one. NULL where memory ran out. */
void *make_room(space *within, int64_t n, size_t size);
#define ROOM(within, type, n) ((type *)make_room(within, n, sizeof(type)))

buffer *make_buffer(space *within);

/* Whether memory ran out, for a block or for what a buffer is to hold. */
bool has_failed(space *within);

void give_back(space *within);

/* What was made, as arrays to read; those to write are of the same shape. */
static inline int64s as_int64s(const void *at, int64_t n) { return (int64s){at, n}; }
static inline int64s int64s_of(const buffer *of) { return (int64s){(const int64_t *)(const void *)of->at, of->n / 8}; }
static inline int32s int32s_of(const buffer *of) { return (int32s){(const int32_t *)(const void *)of->at, of->n / 4}; }
static inline uint8s uint8s_of(const buffer *of) { return (uint8s){of->at, of->n}; }

#endif
