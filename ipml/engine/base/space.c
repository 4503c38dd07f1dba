#include "base/space.h"

void *make_room(space *within, int64_t n, size_t size) {
    void *room = calloc((size_t)n + 1, size);
    if (room == NULL || within->n_blocks == MOST_BLOCKS) {
        free(room);
        within->failed = true;
        return NULL;
    }
    return within->blocks[within->n_blocks++] = room;
}

buffer *make_buffer(space *within) { return &within->buffers[within->n_buffers++]; }

bool has_failed(space *within) {
    for (int64_t i = 0; i < within->n_buffers; i++) within->failed |= within->buffers[i].failed != 0;
    return within->failed;
}

void give_back(space *within) {
    for (int64_t i = 0; i < within->n_blocks; i++) free(within->blocks[i]);
    for (int64_t i = 0; i < within->n_buffers; i++) free(within->buffers[i].at);
}
