/* Undo disguise in texts.

   Most texts are plain: one pass over their bytes writes them in lower case and sees that there is nothing to undo.
   Others are taken apart into characters, and go through all steps. */
#include "folding/folding.h"

#include "base/letters.h"

/* What a text is, at last folded: as written, without markup, or read in ASCII; with markup, or with something to undo. */
typedef enum { AS_WRITTEN, UNWRAPPED, READ, MARKED, ODD, FOLDED } state;

/* Room to work in, for the longest of some texts. */
typedef struct {
    int64_t *letters;
    int64_t *others;
    int64_t *read;
    uint8_t *read_bytes;
    written_bytes unwrapped;
    written_bytes other;
    int64_t n_read;
    void *block;
} scratch;

/* What all texts are folded with. */
typedef struct {
    int64_t most;
    const characters *known;
    const folding_tables *tables;
    scratch room;
} folding;

/* A text, original or folded. */
typedef struct {
    const uint8_t *data;
    int64_t start;
    int64_t end;
    state is;
} passage;

static bool make_scratch(int64s offsets, int64_t most, bool has_places, scratch *room) {
    int64_t longest = 0;
    for (int64_t row = 0; row < offsets.n - 1; row++) longest = max_of(longest, offsets.at[row + 1] - offsets.at[row]);
    int64_t n_letters = min_of(longest, most), n_bytes = min_of(longest, 4 * n_letters) * 5 / 4 + 4;
    int64_t n_read = min_of(n_letters * MOST_LETTERS_OF_A_READING, most), n_places = has_places ? 2 * n_bytes : 0;
    int64_t n = max_of((n_letters + 1) * MOST_LETTERS_OF_A_SOUND, n_read);
    int64_t *block = malloc((size_t)(2 * n + n_read) * sizeof *block + (size_t)n_places * sizeof(int32_t) +
                            (size_t)(n_read + 2 * n_bytes));
    if (block == NULL) return false;
    int32_t *places = (int32_t *)(block + 2 * n + n_read);
    uint8_t *bytes = (uint8_t *)(places + n_places);
    *room = (scratch){
        .letters = block, .others = block + n, .read = block + 2 * n, .read_bytes = bytes,
        .unwrapped = {bytes + n_read, has_places ? places : NULL},
        .other = {bytes + n_read + n_bytes, has_places ? places + n_bytes : NULL},
        .n_read = n_read, .block = block,
    };
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
    if (seen & ORNAMENT) n = join_voice_marks(*letters, n, known);
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
    *n = decode(text.data, text.start, text.end, known, ascii, NULL, letters, &seen);
    bool is_marked = text.is == AS_WRITTEN && seen & BEGINS_MARKUP;
    if (is_marked && may_hold_markup(text.data, text.start, text.end)) return MARKED;
    *n = read_in_company(with, seen, *n, &letters, &others);
    bool is_read_in_ascii;
    *n = read_letters(letters, *n, with->most, known, ascii, room->read, &is_read_in_ascii);
    if (!is_read_in_ascii) return ODD;
    narrow(room->read, *n, room->read_bytes);
    return READ;
}

/* Undo spacing, signs and letters held down in what was read; return how many characters are left. */
static int64_t undo(const folding *with, int64_t n) {
    const folding_tables *tables = with->tables;
    int64_t *text = with->room.read;
    if (may_be_apart(&tables->screening, text, n)) n = close_up(&tables->spacing, text, n);
    open_separators(text, n);
    read_signs(&tables->signs, text, n, with->room.others);
    return shorten(text, n);
}

/* Fold one text; return its end. Unwrapped or decoded parts are folded again, each as a text of its own. */
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
        if (is == ODD) return encode(room->read, undo(with, n), folded, first);
        if (is == READ) {
            text = (passage){room->read_bytes, 0, n, READ};
            continue;
        }
        n = text.end - text.start;
        memcpy(room->unwrapped.at, text.data + text.start, (size_t)n);
        n = unwrap(&room->unwrapped, n, with->known, &with->tables->markup, &room->other);
        text = (passage){room->unwrapped.at, 0, n, UNWRAPPED};
    }
}

/* Fold one text by all steps, whether it needs them or not; the characters stay where they are read. Return their
   number. */
static int64_t fold_step_by_step(const folding *with, const uint8_t *data, int64_t start, int64_t end) {
    const ascii_characters *ascii = &with->tables->ascii;
    const scratch *room = &with->room;
    written_bytes text = room->unwrapped;
    int64_t n = end - start, letter = -1, seen, *letters = room->letters, *others = room->others;
    memcpy(text.at, data + start, (size_t)n);
    for (int64_t at = 0; at < n; at++) {
        letter += (text.at[at] & 0xC0) != 0x80;
        text.places[at] = (int32_t)min_of(letter, LAST_PLACE);
    }
    if (may_hold_markup(text.at, 0, n)) n = unwrap(&text, n, with->known, &with->tables->markup, &room->other);
    n = decode(text.at, 0, n, with->known, ascii, text.places, letters, &seen);
    n = read_in_company(with, seen, n, &letters, &others);
    bool is_read_in_ascii;
    n = read_letters(letters, n, with->most, with->known, ascii, room->read, &is_read_in_ascii);
    return undo(with, n);
}

/* Write the places of characters without spaces that are not written. */
static void write_places(const int64_t *text, int64_t n, int64_t n_letters, buffer *places) {
    int64_t before = ' ';
    for (int64_t at = 0; at < n && n_letters > 0; at++) {
        int64_t code = text[at] & CODE;
        if (code == ' ' && before == ' ') continue;
        buffer_write_int64(places, (text[at] & PLACE) >> PLACE_SHIFT);
        before = code;
        n_letters--;
    }
}

/* Fold the first letters of each text; note their places unless there is no buffer for them. */
static void fold_all(texts raw, folding with, int64s_out ends, buffer *folded, buffer *places) {
    if (ask_pages(raw, with.known)) return;
    if (!make_scratch(raw.offsets, with.most, places != NULL, &with.room)) {
        folded->failed = 1;
        return;
    }
    const int64_t *offsets = raw.offsets.at, *read = with.room.read;
    const uint8_t *data = raw.data.at;
    ends.at[0] = folded->n;
    for (int64_t row = 0; row < raw.offsets.n - 1; row++) {
        if (!buffer_reserve(folded, 4 * with.room.n_read)) break;
        int64_t start = folded->n, stop = end_of_letters(data, offsets[row], offsets[row + 1], with.most);
        if (places == NULL) {
            folded->n = fold_one(&with, (passage){data, offsets[row], stop, AS_WRITTEN}, folded->at, start);
        } else {
            int64_t n = fold_step_by_step(&with, data, offsets[row], stop);
            folded->n = encode(read, n, folded->at, start);
            write_places(read, n, count_letters_between(folded->at, start, folded->n), places);
        }
        ends.at[row + 1] = folded->n;
    }
    free(with.room.block);
}

EXPORT outcome fold_texts(texts raw, int64_t most, const characters *known, const folding_tables *tables,
                          int64s_out ends, buffer *folded) {
    REQUIRE(are_texts(raw) && ends.n == raw.offsets.n && are_characters(known) && are_folding_tables(tables));
    folding with = {.most = max_of(most, 0), .known = known, .tables = tables};
    fold_all(raw, with, ends, folded, NULL);
    return 0;
}

/* Write also for each folded letter the number of the letter of its text that it comes from (int64_t). */
EXPORT outcome fold_with_places(texts raw, int64_t most, const characters *known, const folding_tables *tables,
                                int64s_out ends, buffer *folded, buffer *places) {
    REQUIRE(are_texts(raw) && ends.n == raw.offsets.n && are_characters(known) && are_folding_tables(tables));
    folding with = {.most = max_of(most, 0), .known = known, .tables = tables};
    fold_all(raw, with, ends, folded, places);
    return 0;
}
