#include "base/engine.h"

/* The digest of the sources that the engine was built of. */
EXPORT const char *engine_sources(void) { return SOURCES_DIGEST; }

EXPORT void engine_free(void *at) { free(at); }

EXPORT void engine_free_buffers(void *buffers, int64_t n) {
    const buffer *of = buffers;
    for (int64_t i = 0; i < n; i++) free(of[i].at);
}
