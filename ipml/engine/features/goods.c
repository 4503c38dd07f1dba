/* Which brands titles name, what listings claim of them, and which kinds of goods titles name: as
   `ipml.features.goods.BrandFeatures` and `GoodsFeatures` say. */
#include "features/goods.h"

#include "base/letters.h"
#include "base/space.h"
#include "base/texts.h"

enum { MOST_COUNTED = 3 };
enum { DOTTED_CAPITAL_I = 0x130, DOT_ABOVE = 0x307 }; /* the only letter of which the small one is two, and its second */

/* Whether a place comes before another: by start, of those from one place the longest first. */
static bool comes_before(places named, int64_t one, int64_t other) {
    int32_t start = named.start.at[one], start_of_other = named.start.at[other];
    return start < start_of_other || (start == start_of_other && named.end.at[one] > named.end.at[other]);
}

/* Put the numbers of some places in the order in which brands are named; they mostly are. */
static void order_places(places named, int64_t *order, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        for (int64_t at = i; at > 0 && comes_before(named, order[at], order[at - 1]); at--) {
            int64_t place = order[at];
            order[at] = order[at - 1];
            order[at - 1] = place;
        }
    }
}

static bool holds_number(const int64_t *numbers, int64_t n, int64_t number) {
    for (int64_t i = 0; i < n; i++) {
        if (numbers[i] == number) return true;
    }
    return false;
}

/* A brand is written where its place stood: no list is longer than there are places before and in it. */
outcome list_brands(places named, int64s phrase_brands, int64s_out starts, int64s_out brands) {
    REQUIRE(are_places(named) && are_numbered(named, phrase_brands.n));
    REQUIRE(starts.n == named.starts.n && brands.n >= named.number.n);
    int64_t n = starts.at[0] = 0;
    for (int64_t row = 0; row < named.starts.n - 1; row++) {
        int64_t first = named.starts.at[row], last = named.starts.at[row + 1];
        for (int64_t i = first; i < last; i++) brands.at[i] = i;
        order_places(named, brands.at + first, last - first);
        for (int64_t i = first; i < last; i++) {
            int64_t brand = AT(phrase_brands, AT(named.number, brands.at[i]));
            if (!holds_number(brands.at + starts.at[row], n - starts.at[row], brand)) brands.at[n++] = brand;
        }
        starts.at[row + 1] = n;
    }
    return 0;
}

static uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

static bool is_ascii_space(uint8_t byte) {
    return byte == ' ' || (byte >= 9 && byte <= 13) || (byte >= 28 && byte <= 31);
}

/* Return whether a spelling is at a place of a text, in any case; a space matches several. */
static bool is_spelt_at(const uint8_t *data, int64_t at, int64_t end, const uint8_t *spelling, int64_t size) {
    for (int64_t i = 0; i < size; i++) {
        if (at >= end) return false;
        if (spelling[i] == ' ' && is_ascii_space(data[at])) {
            while (at < end && is_ascii_space(data[at])) at++;
        } else if (lower(data[at]) == spelling[i]) {
            at++;
        } else {
            return false;
        }
    }
    return true;
}

/* Whether some spelling stands in a text; of a folded one, only those that folding leaves in their script. */
static bool holds_spelling(texts titles, int64_t row, texts spelt, int64_t first, int64_t last, bool is_folded) {
    int64_t end = titles.offsets.at[row + 1];
    for (int64_t one = first; one < last; one++) {
        const uint8_t *spelling = spelt.data.at + spelt.offsets.at[one];
        int64_t size = spelt.offsets.at[one + 1] - spelt.offsets.at[one];
        if (is_folded && is_ascii(spelling, 0, size)) continue;
        for (int64_t at = titles.offsets.at[row]; at < end; at++) {
            if (is_spelt_at(titles.data.at, at, end, spelling, size)) return true;
        }
    }
    return false;
}

/* Whether a text is not plain ASCII without markup. */
static bool may_be_folded(const uint8_t *text, int64_t size) {
    uint8_t may_be = 0;
    for (int64_t at = 0; at < size; at++) may_be |= (text[at] >= 0x80) | (text[at] == '<') | (text[at] == '&');
    return may_be != 0;
}

/* Whether a text spells one of the brands that a title names. */
static bool is_one_spelt(texts written, int64_t text, number_lists brands, int64_t row, const brand_spellings *plain,
                         bool is_folded) {
    for (int64_t i = brands.starts.at[row]; i < brands.starts.at[row + 1]; i++) {
        int64_t brand = brands.number.at[i], first = AT(plain->starts, brand), last = AT(plain->starts, brand + 1);
        if (holds_spelling(written, text, plain->spelt, first, last, is_folded)) return true;
    }
    return false;
}

/* Whether a title spells one of its brands once it is folded, its misspelt words left as they are. */
static bool is_one_folded(texts titles, int64_t row, number_lists brands, const brand_spellings *plain, int64_t most,
                          const characters *known, const folding_tables *folding, buffer *room) {
    int64_t ends[2] = {0, 0};
    room->n = 0;
    texts title = {{titles.offsets.at + row, 2}, titles.data};
    fold_texts(title, most, known, folding, (int64s_out){ends, 2}, room);
    texts folded = {as_int64s(ends, 2), uint8s_of(room)};
    return !room->failed && is_one_spelt(folded, 0, brands, row, plain, false);
}

/* Write the letters of a text in lower case, one space for white space; return how many there are. */
static int64_t write_lower(texts titles, int64_t row, const characters *known, int64_t *letters) {
    int64_t n = 0, end = titles.offsets.at[row + 1];
    for (int64_t at = titles.offsets.at[row]; at < end; at += size_of_letter(titles.data.at[at])) {
        int64_t code = letter_at(titles.data.at, at);
        letters[n] = look_up(code, LOWER, known) & CODE;
        n += !(letters[n] == ' ' && n > 0 && letters[n - 1] == ' ');
        if (code == DOTTED_CAPITAL_I) letters[n++] = DOT_ABOVE;
    }
    return n;
}

static bool are_letters_of(const int64_t *letters, int64_t n, const uint8_t *spelling, int64_t size) {
    int64_t at = 0;
    for (int64_t i = 0; i < size; i += size_of_letter(spelling[i])) {
        if (at >= n || letters[at++] != letter_at(spelling, i)) return false;
    }
    return true;
}

static bool is_one_written(const int64_t *letters, int64_t n, number_lists brands, int64_t row,
                           const brand_spellings *plain) {
    for (int64_t i = brands.starts.at[row]; i < brands.starts.at[row + 1]; i++) {
        int64_t brand = brands.number.at[i], last_of_brand = AT(plain->starts, brand + 1);
        for (int64_t one = AT(plain->starts, brand); one < last_of_brand; one++) {
            int64_t first = plain->spelt.offsets.at[one], size = plain->spelt.offsets.at[one + 1] - first;
            for (int64_t at = 0; at < n; at++) {
                if (are_letters_of(letters + at, n - at, plain->spelt.data.at + first, size)) return true;
            }
        }
    }
    return false;
}

outcome find_disguised(texts titles, texts folded, number_lists brands, const brand_spellings *plain, int64_t most,
                       const characters *known, const folding_tables *folding, uint8s_out found) {
    REQUIRE(are_texts(titles) && are_texts(folded) && folded.offsets.n == titles.offsets.n);
    REQUIRE(are_lists(brands.starts, brands.number.n) && brands.starts.n == titles.offsets.n);
    REQUIRE(found.n == n_rows(titles) && are_spellings(plain) && are_characters(known) && are_folding_tables(folding));
    int64_t *letters = NULL;
    buffer room = {NULL, 0, 0, 0};
    for (int64_t row = 0; row < titles.offsets.n - 1 && !room.failed; row++) {
        int64_t start = titles.offsets.at[row], end = titles.offsets.at[row + 1];
        bool names_any = brands.starts.at[row + 1] > brands.starts.at[row];
        found.at[row] = false;
        if (!names_any || !may_be_folded(titles.data.at + start, end - start)) continue;
        if (is_one_spelt(titles, row, brands, row, plain, false)) continue;
        if (is_one_spelt(folded, row, brands, row, plain, true)) continue;
        if (letters == NULL) letters = malloc((size_t)longest_text(titles) * sizeof *letters);
        room.failed |= letters == NULL;
        if (room.failed) break;
        int64_t n = write_lower(titles, row, known, letters);
        found.at[row] = !is_one_written(letters, n, brands, row, plain) &&
                        is_one_folded(titles, row, brands, plain, most, known, folding, &room);
    }
    free(letters);
    free(room.at);
    return room.failed ? OUT_OF_MEMORY : 0;
}

outcome describe_claims(number_lists brands, uint8s is_disguised, int64s n_disguised_words, uint8s has_field,
                        int64s claimed, int8s standing, doubles_out values) {
    REQUIRE(are_lists(brands.starts, brands.number.n) && brands.starts.n == has_field.n + 1);
    REQUIRE(is_disguised.n == has_field.n && n_disguised_words.n == has_field.n && claimed.n == has_field.n);
    REQUIRE(standing.n == has_field.n && values.n == has_field.n * N_CLAIMS);
    for (int64_t row = 0; row < has_field.n; row++) {
        int64_t first = brands.starts.at[row], n_named = brands.starts.at[row + 1] - first;
        bool is_named = holds_number(brands.number.at + first, n_named, claimed.at[row]);
        double *value = values.at + row * N_CLAIMS;
        value[0] = n_named > 0;
        value[1] = (double)min_of(max_of(n_named - 1, 0), MOST_COUNTED);
        value[2] = is_disguised.at[row] != 0;
        value[3] = (double)min_of(n_disguised_words.at[row], MOST_COUNTED);
        value[4] = n_named > 0 && has_field.at[row] && !is_named;
        value[5] = !has_field.at[row];
        value[6] = standing.at[row] > 0;
        value[7] = standing.at[row] < 0;
    }
    return 0;
}

/* Write 1 for each kind a title names; return their number, and how often the most copied of them is copied. */
static int64_t mark_kinds(places named, int64_t row, const goods_table *goods, double *values, double *most_often) {
    int64_t n_named = 0;
    *most_often = 0.0;
    for (int64_t i = named.starts.at[row]; i < named.starts.at[row + 1]; i++) {
        int64_t kind = AT(goods->phrase_kinds, named.number.at[i]);
        double often = AT(goods->often_copied, kind);
        if (values[kind] != 0.0) continue;
        values[kind] = 1.0;
        if (n_named == 0 || often > *most_often) *most_often = often;
        n_named++;
    }
    return n_named;
}

static bool is_of_brands(number_lists brands, int64_t row, const goods_table *goods, int64_t kind) {
    for (int64_t i = brands.starts.at[row]; i < brands.starts.at[row + 1]; i++) {
        if (AT(goods->of_brand, brands.number.at[i] * goods->often_copied.n + kind)) return true;
    }
    return false;
}

/* Whether it is known of each brand whether it makes each kind. */
static bool is_of_all(const goods_table *goods, number_lists brands) {
    int64_t n_kinds = goods->often_copied.n;
    return n_kinds == 0 || (goods->of_brand.n % n_kinds == 0 && are_below(brands.number, goods->of_brand.n / n_kinds));
}

outcome describe_goods(places named, number_lists brands, const goods_table *goods, doubles_out values) {
    REQUIRE(are_places(named) && are_lists(brands.starts, brands.number.n) && brands.starts.n == named.starts.n);
    REQUIRE(are_numbered(named, goods->phrase_kinds.n) && is_of_all(goods, brands));
    REQUIRE(values.n == (named.starts.n - 1) * (goods->often_copied.n + N_SUMMARY));
    int64_t n_kinds = goods->often_copied.n;
    for (int64_t row = 0; row < named.starts.n - 1; row++) {
        double *value = values.at + row * (n_kinds + N_SUMMARY);
        double *summary = value + n_kinds;
        int64_t n_of_brands = 0, n_both = 0;
        int64_t n_named = mark_kinds(named, row, goods, value, &summary[0]);
        bool has_brands = brands.starts.at[row + 1] > brands.starts.at[row];
        for (int64_t kind = 0; kind < n_kinds && has_brands; kind++) {
            bool is_of_brand = is_of_brands(brands, row, goods, kind);
            n_of_brands += is_of_brand;
            n_both += is_of_brand && value[kind] > 0.0;
        }
        summary[1] = (double)min_of(max_of(n_named - 1, 0), MOST_COUNTED);
        summary[2] = n_named == 0;
        summary[3] = n_both > 0;
        summary[4] = n_named > 0 && n_of_brands > 0 && n_both == 0;
        summary[5] = has_brands && n_named == 0;
    }
    return 0;
}
