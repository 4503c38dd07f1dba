/* Included into every source of the engine when it is fuzzed: `engine_fuzz.py`. */
#include <stdint.h>
#include <stdlib.h>

#define SHARED __attribute__((weak, visibility("default"))) /* one for all sources, which Python sees */
#define UNFOLLOWED __attribute__((no_sanitize_coverage, no_sanitize("address", "undefined")))

/* Scarce memory: after so many allocations one fails, and all that follow, unless it fails once. The number goes on
   below 0, so that Python sees whether any failed. */
SHARED int64_t allocations_left = INT64_MAX, fails_once = 0;

static inline UNFOLLOWED int may_allocate(void) {
    int64_t left = allocations_left--;
    return left > 0 || (left < 0 && fails_once);
}

#define malloc(size) (may_allocate() ? malloc(size) : NULL)
#define calloc(n, size) (may_allocate() ? calloc(n, size) : NULL)
#define realloc(at, size) (may_allocate() ? realloc(at, size) : NULL)

/* Coverage: the compiler calls this at each branch of the engine. A way leads from one branch to the next; the number
   of different ones grows where an input does what none did before. */
SHARED int64_t n_ways = 0;
SHARED uint8_t ways[1 << 20]; /* 1 for each gone, by a hash of 20 bits */

SHARED UNFOLLOWED void __sanitizer_cov_trace_pc(void) {
    static uint64_t before;
    uint64_t place = (uint64_t)((uintptr_t)__builtin_return_address(0) - (uintptr_t)ways) * 0x9E3779B97F4A7C15 >> 44;
    uint8_t *way = ways + (place ^ before);
    before = place >> 1; /* so that the way back is another */
    n_ways += !*way;
    *way = 1;
}
