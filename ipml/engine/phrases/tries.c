/* A trie of many words as one array, in which a step takes one look.

   It is a double array (Aoe 1989): the place of a node is the base of its parent plus the byte that leads to it, and a
   cell holds where its parent stands, its own base, and whether a word ends there. From a cell at `place` a byte leads
   to the cell at `(cells[place] & TRIE_BASE) + byte` if the parent of that one is `place`. */
#include "phrases/tries.h"

enum { FREE = -1, N_BYTES = 256 };
static const int64_t NO_PARENT = ((int64_t)1 << 31) - 1;

/* A node to come: some words of one beginning. */
typedef struct {
    int64_t place, first, last, depth;
    int64_t passed; /* how many words end on the way to it */
} node;

typedef struct {
    int64_t *cells;
    int32_t *words;
    int64_t size, used;
    int64_t free; /* no cell that a node may take is free before it */
    node *queue;
    int64_t n_nodes;
} builder;

static int64_t size_of_word(texts words, int64_t word) { return words.offsets.at[word + 1] - words.offsets.at[word]; }

/* Make room for more cells, all of them free. */
static bool lengthen(builder *trie, int64_t size) {
    int64_t *cells = realloc(trie->cells, (size_t)size * sizeof *cells);
    if (cells == NULL) return false;
    trie->cells = cells;
    int32_t *words = realloc(trie->words, (size_t)size * sizeof *words);
    if (words == NULL) return false;
    trie->words = words;
    for (int64_t place = trie->size; place < size; place++) {
        cells[place] = FREE;
        words[place] = -1;
    }
    trie->size = size;
    return true;
}

/* Write the letters that follow in words of one beginning, and the first word of each; return their number. */
static int64_t branch(texts words, const node *of, uint8_t *letters, int64_t *begins) {
    int64_t n = 0;
    for (int64_t word = of->first; word < of->last; word++) {
        uint8_t letter = words.data.at[words.offsets.at[word] + of->depth];
        if (n > 0 && letters[n - 1] == letter) continue;
        letters[n] = letter;
        begins[n++] = word;
    }
    begins[n] = of->last;
    return n;
}

/* Return the first base at which all letters have free cells. */
static int64_t find_base(const builder *trie, const uint8_t *letters, int64_t n) {
    for (int64_t place = trie->free;; place++) {
        while (place < trie->size && trie->cells[place] != FREE) place++;
        int64_t base = place - letters[0];
        bool fits = true;
        for (int64_t i = 1; i < n && fits; i++) {
            int64_t other = base + letters[i];
            fits = other >= trie->size || trie->cells[other] == FREE;
        }
        if (fits) return base;
    }
}

/* Give the words that go on after a node nodes of their own. */
static bool add_children(builder *trie, texts words, const node *of) {
    uint8_t letters[N_BYTES];
    int64_t begins[N_BYTES + 1];
    int64_t n = branch(words, of, letters, begins);
    int64_t base = find_base(trie, letters, n);
    trie->used = max_of(trie->used, base + N_BYTES);
    if (trie->used > trie->size && !lengthen(trie, 2 * trie->used)) return false;
    trie->cells[of->place] |= base;
    for (int64_t i = 0; i < n; i++) {
        int64_t place = base + letters[i];
        trie->cells[place] = of->place << TRIE_PARENT;
        trie->queue[trie->n_nodes++] = (node){place, begins[i], begins[i + 1], of->depth + 1, of->passed};
    }
    while (trie->cells[trie->free] != FREE && trie->free < trie->size - 1) trie->free++;
    return true;
}

/* Make all nodes; return the most words that end on one way, -1 if memory runs out. */
static int64_t add_nodes(builder *trie, texts words) {
    int64_t most_passed = 0;
    trie->cells[0] = NO_PARENT << TRIE_PARENT;
    trie->queue[0] = (node){0, 0, words.offsets.n - 1, 0, 0};
    trie->n_nodes = trie->used = 1;
    trie->free = N_BYTES;
    for (int64_t i = 0; i < trie->n_nodes; i++) {
        node of = trie->queue[i];
        if (of.first < of.last && of.depth == size_of_word(words, of.first)) {
            trie->words[of.place] = (int32_t)of.first;
            trie->cells[of.place] |= TRIE_WORD;
            of.first++;
            most_passed = max_of(most_passed, ++of.passed);
        }
        if (of.first < of.last && !add_children(trie, words, &of)) return -1;
    }
    return most_passed;
}

/* Write the cells, int64, and the number of the word that ends at each, int32, -1 where none does. The words are in
   order, each once and none empty. Returns the most words that end on one way from the root. */
EXPORT outcome build_trie(texts words, buffer *cells, buffer *numbers) {
    REQUIRE(are_texts(words));
    int64_t most = words.data.n + 1; /* nodes */
    builder trie = {.queue = malloc((size_t)most * sizeof(node))};
    bool has_room = trie.queue != NULL && lengthen(&trie, 2 * most + 2 * N_BYTES);
    int64_t most_passed = has_room ? add_nodes(&trie, words) : -1;
    if (most_passed < 0) {
        cells->failed = numbers->failed = 1;
    } else {
        int64_t used = max_of(trie.used, N_BYTES);
        buffer_write(cells, trie.cells, used * (int64_t)sizeof *trie.cells);
        buffer_write(numbers, trie.words, used * (int64_t)sizeof *trie.words);
    }
    free(trie.queue);
    free(trie.cells);
    free(trie.words);
    return max_of(most_passed, 0);
}
