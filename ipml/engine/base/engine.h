/* What all of the engine shares: arrays as Python hands them over, texts, and arrays that grow.

   The engine holds what reads the text of listings and what is worked out for many of them. A function that Python
   calls is marked EXPORT; it takes arrays by value as a pointer and a number of elements, and never keeps one. */
#ifndef IPML_ENGINE_H
#define IPML_ENGINE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* Arrays to read, and arrays to write. */
#define ARRAYS(type, name)                                                                                             \
    typedef struct {                                                                                                   \
        const type *at;                                                                                                \
        int64_t n;                                                                                                     \
    } name;                                                                                                            \
    typedef struct {                                                                                                   \
        type *at;                                                                                                      \
        int64_t n;                                                                                                     \
    } name##_out;

ARRAYS(uint8_t, uint8s)
ARRAYS(uint16_t, uint16s)
ARRAYS(uint32_t, uint32s)
ARRAYS(uint64_t, uint64s)
ARRAYS(int8_t, int8s)
ARRAYS(int16_t, int16s)
ARRAYS(int32_t, int32s)
ARRAYS(int64_t, int64s)
ARRAYS(float, floats)
ARRAYS(double, doubles)

/* An element of an array. Whoever hands the array and the number over sees to it that there is one, for what comes from
   a model `ipml.model.model_file.tables`; the sanitizer build, without NDEBUG, asserts it. */
#define AT(array, i) (*(assert((i) >= 0 && (i) < (array).n), (array).at + (i)))

/* Some texts: text i is the UTF-8 from data.at[offsets.at[i]] up to data.at[offsets.at[i + 1]]. Halves of surrogate
   pairs stand in three bytes like other letters. */
typedef struct {
    int64s offsets;
    uint8s data;
} texts;

/* What a function returns that Python calls: OUT_OF_MEMORY where there is not enough, BAD_LENGTHS where its arrays are
   not as long as it reads or writes them, for which Python raises errors; else no negative number, and 0 where nothing
   else is said. */
typedef int64_t outcome;
enum { OUT_OF_MEMORY = -1, BAD_LENGTHS = -2 };

/* What must hold of the lengths of arrays before a function that Python calls looks at them. */
#define REQUIRE(holds)                                                                                                 \
    do {                                                                                                               \
        if (!(holds)) return BAD_LENGTHS;                                                                              \
    } while (0)

static inline int64_t n_rows(texts of) { return of.offsets.n - 1; }

/* Whether lists start one after another, and all end within so many elements. */
static inline bool are_lists(int64s starts, int64_t n) {
    if (starts.n < 1 || starts.at[0] < 0 || starts.at[starts.n - 1] > n) return false;
    bool is_rising = true;
    for (int64_t i = 1; i < starts.n; i++) is_rising &= starts.at[i - 1] <= starts.at[i];
    return is_rising;
}

/* Whether the last of the lists of a table ends with its elements. */
static inline bool ends_at(int64s starts, int64_t n) { return starts.n > 0 && starts.at[starts.n - 1] == n; }

/* Whether all numbers are those of one of so many. */
static inline bool are_below(int64s numbers, int64_t n) {
    bool is_below = true;
    for (int64_t i = 0; i < numbers.n; i++) is_below &= (uint64_t)numbers.at[i] < (uint64_t)n;
    return is_below;
}

/* Whether texts are within their bytes, one after another. */
static inline bool are_texts(texts of) { return are_lists(of.offsets, of.data.n); }

/* Whether the last text of a table ends with its bytes. */
static inline bool are_table_texts(texts of) { return ends_at(of.offsets, of.data.n); }

/* Bytes that grow. After memory ran out `failed` is set, and nothing more is written. */
typedef struct {
    uint8_t *at;
    int64_t n;    /* bytes in use */
    int64_t room; /* bytes that there are */
    int64_t failed;
} buffer;

static inline bool buffer_reserve(buffer *into, int64_t more) {
    if (into->failed) return false;
    if (into->n + more <= into->room) return true;
    int64_t room = 2 * (into->n + more);
    uint8_t *at = realloc(into->at, (size_t)room);
    if (at == NULL) {
        into->failed = 1;
        return false;
    }
    into->at = at;
    into->room = room;
    return true;
}

static inline void buffer_write(buffer *into, const void *from, int64_t n) {
    if (n > 0 && buffer_reserve(into, n)) {
        memcpy(into->at + into->n, from, (size_t)n);
        into->n += n;
    }
}

static inline void buffer_write_int64(buffer *into, int64_t value) { buffer_write(into, &value, sizeof value); }

/* The place of the first of some numbers in order that is above a bound; the last place if none is. */
static inline int64_t find_above(const int64_t *numbers, int64_t first, int64_t last, int64_t bound) {
    while (first < last) {
        int64_t middle = first + (last - first) / 2;
        if (numbers[middle] > bound) last = middle;
        else first = middle + 1;
    }
    return first;
}

static inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
