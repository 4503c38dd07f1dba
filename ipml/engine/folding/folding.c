/* Undo disguise in many texts at once: `ipml.features.normalisation.fold_text`.

   Most texts are plain: one pass over their bytes writes them in lower case and sees that there is nothing to undo.
   Others are taken apart into characters, and go through the same steps as in the plain function. Few are left to that
   function itself: those with characters not met before, or with markup beside letters that are ASCII in another
   case. */
#include "folding/folding.h"

#include "base/letters.h"

/* What a text is, at last folded: as written, without markup, or read in ASCII; with markup, with something to undo, or
   left to the plain function. */
typedef enum { AS_WRITTEN, UNWRAPPED, READ, MARKED, ODD, LEFT, FOLDED } state;

/* Room to work in, for the longest of some texts. */
typedef struct {
    int64_t *letters;
    int64_t *others;
    int64_t *read;
    uint8_t *read_bytes;
    uint8_t *unwrapped;
    uint8_t *other_bytes;
    int64_t n_read;
    void *block;
} scratch;

/* What all texts are folded with. */
typedef struct {
    int64_t most;
    const characters *known;
    const folding_tables *tables;
    uint8_t *missing;
    scratch room;
} folding;

/* A text, or what became of it. */
typedef struct {
    const uint8_t *data;
    int64_t start;
    int64_t end;
    state is;
} passage;

static bool make_scratch(int64s offsets, int64_t most, scratch *room) {
    int64_t longest = 0;
    for (int64_t row = 0; row < offsets.n - 1; row++) longest = max_of(longest, offsets.at[row + 1] - offsets.at[row]);
    int64_t n_letters = min_of(longest, most), n_bytes = min_of(longest, 4 * n_letters) * 5 / 4 + 1;
    int64_t n_read = min_of(n_letters * MOST_LETTERS_OF_A_READING, most);
    int64_t n = max_of((n_letters + 1) * MOST_LETTERS_OF_A_SOUND, n_read);
    int64_t *block = malloc((size_t)(2 * n + n_read) * sizeof *block + (size_t)(n_read + 2 * n_bytes));
    if (block == NULL) return false;
    uint8_t *bytes = (uint8_t *)(block + 2 * n + n_read);
    *room = (scratch){.letters = block, .others = block + n, .read = block + 2 * n, .read_bytes = bytes,
                      .unwrapped = bytes + n_read, .other_bytes = bytes + n_read + n_bytes, .n_read = n_read,
                      .block = block};
    return true;
}

/* Fold an ASCII text; return what it is then, and in `end` where it ends. */
static state fold_plain(const folding *with, passage text, uint8_t *folded, int64_t first, int64_t *end) {
    const folding_tables *tables = with->tables;
    int64_t why;
    *end = fold_ascii(&tables->screening, text.data, text.start, text.end, folded, first, &why);
    if (why == 0) return FOLDED;
    if (text.is == AS_WRITTEN && why & HAS_MARKUP && may_hold_markup(text.data, text.start, text.end)) return MARKED;
    if (why & (IS_APART | IS_HELD_DOWN) || (why & HAS_CONTROL && text.is != READ)) return ODD;
    return why & HAS_SIGN && may_stand_for_letters(&tables->signs, folded, first, *end) ? ODD : FOLDED;
}

/* Read the letters of a text in its company; return its length. The first of the arrays holds it, and holds it in the
   end. */
static int64_t read_in_company(const folding *with, int64_t seen, int64_t n, int64_t **letters, int64_t **others) {
    const characters *known = with->known;
    if (seen & REVERSING) n = turn_round(*letters, n);
    if (seen & INVISIBLE) n = drop_invisible(*letters, n);
    if (seen & ORNAMENT) read_ornaments(*letters, n, &with->tables->scripts);
    if (seen & TURNED) turn_back(*letters, n, &with->tables->scripts);
    if (seen & SIGN) read_signs_in_words(*letters, n, known);
    const int64_t alphabets[] = {GREEK, CYRILLIC, LIVING};
    for (int i = 0; i < 3; i++) {
        if (!(seen & alphabets[i])) continue;
        n = read_alphabet(*letters, n, alphabets[i], known, *others);
        int64_t *read = *others;
        *others = *letters;
        *letters = read;
    }
    if (seen & IDEOGRAPH) read_ideographs(*letters, n, known);
    return n;
}

/* Read a text beyond ASCII; return what it is then, and the number of its characters. */
static state read_beyond_ascii(const folding *with, passage text, int64_t *n) {
    const ascii_characters *ascii = &with->tables->ascii;
    const characters *known = with->known;
    const scratch *room = &with->room;
    *n = read_alone(text.data, text.start, text.end, with->most, known, ascii, room->read_bytes);
    if (*n >= 0) return READ;
    int64_t *letters = room->letters, *others = room->others, seen;
    *n = decode(text.data, text.start, text.end, known, ascii, with->missing, letters, &seen);
    bool is_marked = text.is == AS_WRITTEN && seen & BEGINS_MARKUP;
    if (is_marked && may_hold_markup(text.data, text.start, text.end)) return MARKED;
    if (seen & MISSING) return LEFT;
    *n = read_in_company(with, seen, *n, &letters, &others);
    bool is_read_in_ascii;
    *n = read_letters(letters, *n, with->most, known, ascii, room->read, &is_read_in_ascii);
    if (!is_read_in_ascii) return ODD;
    narrow(room->read, *n, room->read_bytes);
    return READ;
}

/* Undo spacing, signs and letters held down in what was read; write the rest and return where it ends. */
static int64_t undo(const folding *with, int64_t n, uint8_t *folded, int64_t first) {
    const folding_tables *tables = with->tables;
    int64_t *text = with->room.read;
    if (may_be_apart(&tables->screening, text, n)) n = close_up(&tables->spacing, text, n);
    open_separators(text, n);
    read_signs(&tables->signs, text, n, with->room.others);
    n = shorten(text, n);
    return encode(text, n, folded, first);
}

/* Fold one text; return where it ends, -1 if it is left. What was unwrapped or read is looked at again, as a text by
   itself. */
static int64_t fold_one(const folding *with, passage text, uint8_t *folded, int64_t first) {
    const scratch *room = &with->room;
    for (;;) {
        int64_t n;
        state is;
        if (text.is == READ || is_ascii(text.data, text.start, text.end)) {
            is = fold_plain(with, text, folded, first, &n);
            bool is_read = text.is == READ;
            if (is == ODD) n = widen(text.data, text.start, text.end, is_read, &with->tables->ascii, room->read);
        } else {
            is = read_beyond_ascii(with, text, &n);
        }
        if (is == FOLDED) return n;
        if (is == LEFT) return -1;
        if (is == ODD) return undo(with, n, folded, first);
        if (is == READ) {
            text = (passage){room->read_bytes, 0, n, READ};
            continue;
        }
        n = unwrap(text.data, text.start, text.end, &with->tables->markup, room->unwrapped, room->other_bytes);
        if (n < 0) return -1;
        text = (passage){room->unwrapped, 0, n, UNWRAPPED};
    }
}

/* Fold the first letters of each text.

   The folded texts are put behind what the buffer holds; in it they end at the places `ends`, of which the first is
   where the first one begins. A text that is left to the plain function is empty; pages of characters that are missing
   are noted. */
EXPORT void fold_texts(texts raw, int64_t most, const characters *known, const folding_tables *tables,
                       uint8s_out missing, int64s_out ends, buffer *folded, uint8s_out is_left) {
    most = max_of(most, 0);
    folding with = {.most = most, .known = known, .tables = tables, .missing = missing.at};
    if (!make_scratch(raw.offsets, most, &with.room)) {
        folded->failed = 1;
        return;
    }
    const int64_t *offsets = raw.offsets.at;
    ends.at[0] = folded->n;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        if (!buffer_reserve(folded, 4 * with.room.n_read)) break;
        int64_t stop = end_of_letters(raw.data.at, offsets[row], offsets[row + 1], most);
        int64_t end = fold_one(&with, (passage){raw.data.at, offsets[row], stop, AS_WRITTEN}, folded->at, folded->n);
        is_left.at[row] = end < 0;
        if (end >= 0) folded->n = end;
        ends.at[row + 1] = folded->n;
    }
    free(with.room.block);
}
