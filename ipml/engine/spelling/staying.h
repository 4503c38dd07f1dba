/* What single words of a text, and the pieces on either side of a gap, are read as; and the few texts in which one may
   be read as another, which spelling.c looks at again. */
#ifndef IPML_STAYING_H
#define IPML_STAYING_H

#include "spelling/spelling.h"
#include "spelling/word_table.h"

enum { STAYS = -1, NO_WORD = -2 };

/* A text, or what is written anew of one, between whose bytes words are looked for. */
typedef struct {
    const uint8_t *data;
    int64_t start, end;
} stretch;

/* Some letters and signs of a text in a row. */
typedef struct {
    int64_t start, end;
    uint64_t key; /* the letters as a number, or at least the last of them where they are many */
} run;

/* Whether a run is a word: signs only between letters, no letter or digit beside it. `seen` is the codes of all its
   letters together. */
bool is_whole_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen);

/* Whether a word is in a set. */
bool is_in_words(const word_set *words, const spelling_tables *tables, const stretch *text, const run *word);

/* Return the known word for which a run stands; STAYS if for none, NO_WORD if it is no word. */
int64_t read_word(const spelling_tables *tables, const stretch *text, const run *word, uint8_t seen, uint8_t *scratch);

/* Whether two pieces on either side of a gap are one known word, and not two words. */
bool is_closed(const spelling_tables *tables, const stretch *text, const run *piece, const run *other);

/* Short words that stay, each in the place that its key says; a word may drive out another. */
typedef struct {
    uint64_t *keys;
    uint64_t mask;
} recent_words;

static inline uint64_t recent_slot(const recent_words *recent, uint64_t key) {
    return spread_key(key) >> 32 & recent->mask;
}

/* How many short words are remembered of so many bytes of text. */
int64_t count_recent(int64_t n_bytes);

/* What words are read with: tables, room for their sounds, and what is remembered of them. */
typedef struct {
    const spelling_tables *tables;
    uint8_t *scratch;
    recent_words recent;
} word_reader;

/* Say which texts have words that are read as others, or gaps that are closed, and which have signs; remember which
   short words stay. `may_change` is false at first. False if memory ran out. */
bool find_texts(word_reader *by, texts folded, int64_t longest, uint8_t *may_change, uint8_t *has_sign);

#endif
