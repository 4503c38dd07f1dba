/* The functions that extractors call one by one follow each other here, on the same numbers, so that the same bits come
   out. The most suspicious passage of a long text counts. */
#include "model/first_stage.h"

#include <math.h>

#include "base/space.h"
#include "base/texts.h"
#include "features/ngram_hashes.h"
#include "features/ngrams.h"
#include "features/numbers.h"
#include "spelling/words.h"

enum { OF_WORDS, OF_BRANDS, OF_GOODS, OF_OFFERS, N_SETS }; /* sets of phrases */
enum { MOST_LISTINGS_AT_ONCE = 8192, MOST_BYTES_AT_ONCE = 1 << 20 };

static int64_t n_texts(texts of) { return of.offsets.n - 1; }

/* Whether the usual prices of each listing are among those known, and the brand of its field. */
static bool are_codes(int64s codes, int64_t n_brands, const usual_prices *usual) {
    bool is_known = true;
    int64_t n_units = n_brands > 0 ? usual->of_units.n / n_brands : INT64_MAX;
    for (int64_t i = 0; i < codes.n; i += N_CODES) {
        const int64_t *of = codes.at + i;
        is_known &= of[BRAND_OF_FIELD] < n_brands && of[UNIT] >= 0 && of[UNIT] < n_units;
        is_known &= of[CATEGORY_AND_UNIT] >= 0 && of[CATEGORY_AND_UNIT] < usual->starts.n - 1;
    }
    return is_known;
}

bool are_listings(const listings *of, const stage_tables *tables) {
    int64_t n = n_rows(of->titles);
    return are_texts(of->titles) && are_texts(of->descriptions) && n_rows(of->descriptions) == n &&
           of->facts.n == n * N_FACTS && of->codes.n == n * N_CODES && of->authorised.starts.n == n + 1 &&
           are_lists(of->authorised.starts, of->authorised.number.n) &&
           are_codes(of->codes, tables->has_authorised.n, &tables->usual);
}

/* Whether what is known of brands, kinds of goods and ways of offers is known of each, and of each of their phrases. */
static bool are_named_tables(const stage_tables *of) {
    int64s n_phrases = of->phrases.n_phrases;
    const usual_prices *usual = &of->usual;
    int64_t n_brands = of->has_authorised.n;
    return n_phrases.n == N_SETS && of->trade.kinds.n == n_phrases.at[OF_WORDS] &&
           of->phrase_brands.n == n_phrases.at[OF_BRANDS] && of->goods.phrase_kinds.n == n_phrases.at[OF_GOODS] &&
           of->offer_columns.n == n_phrases.at[OF_OFFERS] && is_trade_table(&of->trade) &&
           is_offer_table(&of->offers) && are_spellings(&of->spellings) &&
           of->spellings.starts.n == n_brands + 1 &&
           of->goods.of_brand.n == n_brands * of->goods.often_copied.n && usual->prices.n == usual->brands.n &&
           ends_at(usual->starts, usual->brands.n) && (n_brands == 0 || usual->of_units.n % n_brands == 0);
}

bool are_stage_tables(const stage_tables *of) {
    const feature_weights *weigh = &of->weights;
    return are_named_tables(of) && are_folding_tables(&of->folding) && are_marked(of->title.marked) &&
           are_marked(of->description.marked) &&
           weigh->words.n == 2 * of->trade.n_counted && weigh->brand.n == N_CLAIMS &&
           weigh->goods.n == of->goods.often_copied.n + N_SUMMARY && weigh->seller.n == N_OF_SELLER &&
           weigh->offer.n == of->title.n_offers + of->description.n_offers &&
           weigh->price.n == N_OF_PRICE + of->price_steps.n && weigh->listing.n == N_OF_LISTING + of->age_steps.n &&
           of->usual_of_sellers.n == 3 && are_skeleton_tables(&of->skeletons) && are_phrase_tables(&of->phrases) &&
           are_spelling_tables(&of->spelling);
}

/* What is read in some texts of a column: those of listings, or their passages. */
typedef struct {
    int64_t n;
    const int64_t *owners; /* the listing that each belongs to */
    const int64_t *wholes; /* of passages: the text that each is cut from */
    const int64_t *bounds; /* of passages: where those of each text begin */
    texts folded;          /* and misspelt words read */
    buffer *starts, *firsts, *numbers, *begins, *ends; /* places of phrases */
    double *ngrams;        /* what the n-grams of each weigh */
    int64_t *n_all, *n_known;
    double *counts, *offers;         /* words of the trade, and how offers are made */
    double *claims, *goods, *prices; /* of titles: what they claim of brands, goods, and prices beside usual ones */
    int64_t *claimed;                /* of titles: the brand of each */
    double *listing;                 /* of descriptions: what is known of their listing */
} reading;

static places places_of(const reading *of, int64_t set) {
    const int64_t *firsts = int64s_of(of->firsts).at;
    int64_t first = firsts[set], n = firsts[set + 1] - first;
    return (places){
        as_int64s(int64s_of(of->starts).at + set * (of->n + 1), of->n + 1),
        {int32s_of(of->numbers).at + first, n},
        {int32s_of(of->begins).at + first, n},
        {int32s_of(of->ends).at + first, n},
    };
}

static texts fold_and_read(texts raw, int64_t most, const characters *known, const stage_tables *tables,
                           space *within) {
    int64_t n = n_texts(raw);
    int64_t *ends = ROOM(within, int64_t, n + 1);
    buffer *folded = make_buffer(within), *rows = make_buffer(within), *row_ends = make_buffer(within);
    buffer *written = make_buffer(within);
    if (ends == NULL) return raw;
    fold_texts(raw, most, known, &tables->folding, (int64s_out){ends, n + 1}, folded);
    texts as_folded = {as_int64s(ends, n + 1), uint8s_of(folded)};
    if (has_failed(within)) return raw;
    read_texts(as_folded, &tables->spelling, rows, row_ends, written);
    int64s which = int64s_of(rows), until = int64s_of(row_ends);
    if (which.n == 0 || has_failed(within)) return as_folded;
    int64_t n_bytes = count_bytes_with_rows(as_folded.offsets, which, until);
    int64_t *offsets = ROOM(within, int64_t, n + 1);
    uint8_t *data = ROOM(within, uint8_t, n_bytes);
    if (offsets == NULL || data == NULL) return as_folded;
    put_rows(as_folded, which, until, uint8s_of(written), (int64s_out){offsets, n + 1}, (uint8s_out){data, n_bytes});
    return (texts){as_int64s(offsets, n + 1), {data, n_bytes}};
}

/* Write what the n-grams of skeletons weigh: their sum over the root of how many are known. */
static void sum_skeletons(reading *of, const text_column *column, const stage_tables *tables, space *within) {
    int64_t n_bytes = of->folded.data.n, n = of->n;
    int64_t *offsets = ROOM(within, int64_t, n + 1);
    uint8_t *reduced = ROOM(within, uint8_t, n_bytes);
    if (offsets == NULL || reduced == NULL) return;
    reduce_texts(of->folded, &tables->skeletons, (int64s_out){offsets, n + 1}, (uint8s_out){reduced, n_bytes});
    texts skeletons = {as_int64s(offsets, n + 1), {reduced, offsets[n]}};
    if (sum_ngrams(skeletons, column->marked, column->letters_min, column->letters_max, column->words,
                   (doubles_out){of->ngrams, n}, (int64s_out){of->n_all, n}, (int64s_out){of->n_known, n}) < 0)
        within->failed = true;
    for (int64_t row = 0; row < n; row++) of->ngrams[row] /= sqrt((double)max_of(of->n_known[row], 1));
}

static void read_column(reading *of, texts raw, const text_column *column, const stage_tables *tables, space *within) {
    int64_t n = of->n, n_counted = tables->trade.n_counted, n_offers = column->n_offers;
    of->ngrams = ROOM(within, double, n);
    of->n_all = ROOM(within, int64_t, n);
    of->n_known = ROOM(within, int64_t, n);
    of->counts = ROOM(within, double, n * n_counted);
    of->offers = ROOM(within, double, n * n_offers);
    of->starts = make_buffer(within), of->firsts = make_buffer(within), of->numbers = make_buffer(within);
    of->begins = make_buffer(within), of->ends = make_buffer(within);
    if (within->failed) return;
    sum_skeletons(of, column, tables, within);
    find_places(of->folded, &tables->phrases, of->starts, of->firsts, of->numbers, of->begins, of->ends);
    if (has_failed(within)) return;
    if (count_trade_words(of->folded, places_of(of, OF_WORDS), &tables->trade,
                          (doubles_out){of->counts, n * n_counted}) < 0)
        within->failed = true;
    doubles_out offers = {of->offers, n * n_offers};
    set_groups(places_of(of, OF_OFFERS), tables->offer_columns, n_offers, offers);
    if (read_folded(of->folded, &tables->offers, n_offers, offers) < 0) within->failed = true;
    if (read_raw(raw, column->most_letters, n_offers, offers) < 0) within->failed = true;
}

/* Write the brand of each title: that of the brand field where it says one, else the first named; -1 for none. */
static void claim_brands(reading *of, number_lists named, const listings *all) {
    for (int64_t row = 0; row < of->n; row++) {
        const int64_t *codes = all->codes.at + of->owners[row] * N_CODES;
        int64_t first = named.starts.at[row];
        of->claimed[row] = -1;
        if (codes[FIELD_SAYS]) of->claimed[row] = codes[BRAND_OF_FIELD];
        else if (named.starts.at[row + 1] > first) of->claimed[row] = named.number.at[first];
    }
}

/* 1 where the brand authorised the seller, -1 where it authorised others, 0 where nothing is known. */
static int8_t find_standing(int64_t claimed, int64_t listing, const listings *all, uint8s has_authorised) {
    if (claimed < 0 || !AT(has_authorised, claimed)) return 0;
    for (int64_t i = all->authorised.starts.at[listing]; i < all->authorised.starts.at[listing + 1]; i++)
        if (all->authorised.number.at[i] == claimed) return 1;
    return -1;
}

/* Read what titles claim of brands. */
static void read_claims(reading *of, texts raw, number_lists named, const listings *all, const characters *known,
                        const stage_tables *tables, space *within) {
    int64_t n = of->n;
    uint8_t *is_disguised = ROOM(within, uint8_t, n), *has_field = ROOM(within, uint8_t, n);
    int64_t *n_disguised = ROOM(within, int64_t, n);
    int8_t *standing = ROOM(within, int8_t, n);
    if (within->failed) return;
    claim_brands(of, named, all);
    int64_t most = tables->title.most_letters;
    if (find_disguised(raw, of->folded, named, &tables->spellings, most, known, &tables->folding,
                       (uint8s_out){is_disguised, n}) < 0 ||
        count_disguised(raw, most, known, tables->folding.units, (int64s_out){n_disguised, n}) < 0)
        within->failed = true;
    for (int64_t row = 0; row < n; row++) {
        has_field[row] = all->codes.at[of->owners[row] * N_CODES + HAS_FIELD] != 0;
        standing[row] = find_standing(of->claimed[row], of->owners[row], all, tables->has_authorised);
    }
    describe_claims(named, (uint8s){is_disguised, n}, as_int64s(n_disguised, n), (uint8s){has_field, n},
                    as_int64s(of->claimed, n), (int8s){standing, n}, (doubles_out){of->claims, n * N_CLAIMS});
}

/* What goods of a brand usually cost in the category of a listing, in the unit of its price; NaN where unknown. */
static double find_usual(int64_t brand, const int64_t *codes, const usual_prices *usual, int64_t n_brands) {
    int64_t start = AT(usual->starts, codes[CATEGORY_AND_UNIT]), end = AT(usual->starts, codes[CATEGORY_AND_UNIT] + 1);
    int64_t place = find_above(usual->brands.at, start, end, brand - 1);
    if (place < end && AT(usual->brands, place) == brand) return AT(usual->prices, place);
    return AT(usual->of_units, codes[UNIT] * n_brands + brand);
}

/* Read what prices say beside the usual ones of the brand that each title names, and of the category. */
static void read_prices(reading *of, const listings *all, const stage_tables *tables, space *within) {
    int64_t n = of->n, n_brands = tables->has_authorised.n;
    double *to_reference = ROOM(within, double, n), *to_category = ROOM(within, double, n);
    if (within->failed) return;
    for (int64_t row = 0; row < n; row++) {
        const double *facts = all->facts.at + of->owners[row] * N_FACTS;
        const int64_t *codes = all->codes.at + of->owners[row] * N_CODES;
        int64_t brand = of->claimed[row];
        double usual = facts[REFERENCE_OF_FIELD];
        if (brand >= 0) usual = find_usual(brand, codes, &tables->usual, n_brands);
        to_reference[row] = facts[PRICE] / usual;
        to_category[row] = facts[PRICE] / facts[USUAL_OF_CATEGORY];
    }
    describe_prices((doubles){to_reference, n}, (doubles){to_category, n}, tables->price_steps,
                    tables->least_of_category, tables->most_of_price,
                    (doubles_out){of->prices, n * tables->weights.price.n});
}

/* Read titles, and what follows from them for brand, goods and price. */
static void read_titles(reading *of, texts raw, const listings *all, const characters *known,
                        const stage_tables *tables, space *within) {
    read_column(of, raw, &tables->title, tables, within);
    if (within->failed) return;
    int64_t n = of->n, n_goods = tables->weights.goods.n;
    places of_brands = places_of(of, OF_BRANDS);
    int64_t *starts = ROOM(within, int64_t, n + 1), *brands = ROOM(within, int64_t, of_brands.number.n);
    of->claims = ROOM(within, double, n * N_CLAIMS);
    of->goods = ROOM(within, double, n * n_goods);
    of->prices = ROOM(within, double, n * tables->weights.price.n);
    of->claimed = ROOM(within, int64_t, n);
    if (within->failed) return;
    list_brands(of_brands, tables->phrase_brands, (int64s_out){starts, n + 1},
                (int64s_out){brands, of_brands.number.n});
    number_lists named = {as_int64s(starts, n + 1), as_int64s(brands, starts[n])};
    read_claims(of, raw, named, all, known, tables, within);
    describe_goods(places_of(of, OF_GOODS), named, &tables->goods, (doubles_out){of->goods, n * n_goods});
    read_prices(of, all, tables, within);
}

/* Read descriptions, and what is known of their listings, part of which is how long a description is. */
static void read_descriptions(reading *of, texts raw, const listings *all, const stage_tables *tables, space *within) {
    read_column(of, raw, &tables->description, tables, within);
    int64_t n = of->n;
    double *figures = ROOM(within, double, 5 * n);
    int64_t *letters = ROOM(within, int64_t, n);
    uint8_t *has_code = ROOM(within, uint8_t, n);
    of->listing = ROOM(within, double, n * tables->weights.listing.n);
    if (within->failed) return;
    count_letters(of->folded, (int64s_out){letters, n});
    for (int64_t row = 0; row < n; row++) {
        const double *facts = all->facts.at + of->owners[row] * N_FACTS;
        for (int64_t i = 0; i < 5; i++) figures[i * n + row] = facts[AGE_DAYS + i];
        has_code[row] = all->codes.at[of->owners[row] * N_CODES + HAS_CODE] != 0;
    }
    listing_figures known = {{figures, n},         {figures + n, n},     {figures + 2 * n, n}, {figures + 3 * n, n},
                             {figures + 4 * n, n}, as_int64s(letters, n), {has_code, n}};
    describe_listings(&known, tables->age_steps, tables->prior_listing_sales,
                      (doubles_out){of->listing, n * tables->weights.listing.n});
}

static double *describe_all_sellers(const listings *all, int64_t n, const stage_tables *tables, space *within) {
    double *figures = ROOM(within, double, 5 * n), *values = ROOM(within, double, n * N_OF_SELLER);
    if (within->failed) return NULL;
    for (int64_t row = 0; row < n; row++)
        for (int64_t i = 0; i < 5; i++) figures[i * n + row] = all->facts.at[row * N_FACTS + SELLER_SALES + i];
    seller_figures known = {
        {figures, n}, {figures + n, n}, {figures + 2 * n, n}, {figures + 3 * n, n}, {figures + 4 * n, n}};
    describe_sellers(&known, tables->usual_of_sellers, tables->prior_seller_sales, tables->most_strikes,
                     (doubles_out){values, n * N_OF_SELLER});
    return values;
}

/* What values weigh: added up from left to right, beginning with a sum so far. */
static double weigh_row(double sum, const double *values, const double *weights, int64_t n) {
    for (int64_t i = 0; i < n; i++) sum += values[i] * weights[i];
    return sum;
}

/* Add what values weigh together to a total, as add_rows does. */
static double add(double total, const double *values, const double *weights, int64_t n) {
    return total + weigh_row(0.0, values, weights, n);
}

static double add_both(double total, const double *title, int64_t n, const double *description, int64_t n_other,
                       const double *weights) {
    return total + weigh_row(weigh_row(0.0, title, weights, n), description, weights + n, n_other);
}

/* A title, or a passage of one, with a description, or a passage of that, and the rest of their listing. */
typedef struct {
    const reading *titles;
    int64_t title;
    const reading *descriptions;
    int64_t description;
    const double *facts, *seller;
} pair;

static double sum(const pair *of, const stage_tables *tables) {
    const feature_weights *weigh = &tables->weights;
    const reading *titles = of->titles, *descriptions = of->descriptions;
    int64_t i = of->title, j = of->description, n_words = tables->trade.n_counted;
    int64_t n_offers = tables->title.n_offers, n_other_offers = tables->description.n_offers;
    double total = weigh->intercept;
    total += titles->ngrams[i];
    total += descriptions->ngrams[j];
    total += of->facts[WEIGHT_OF_CATEGORY];
    total = add_both(total, titles->counts + i * n_words, n_words, descriptions->counts + j * n_words, n_words,
                     weigh->words.at);
    total = add(total, titles->claims + i * N_CLAIMS, weigh->brand.at, N_CLAIMS);
    total = add(total, titles->goods + i * weigh->goods.n, weigh->goods.at, weigh->goods.n);
    total = add_both(total, titles->offers + i * n_offers, n_offers, descriptions->offers + j * n_other_offers,
                     n_other_offers, weigh->offer.at);
    total = add(total, titles->prices + i * weigh->price.n, weigh->price.at, weigh->price.n);
    total = add(total, descriptions->listing + j * weigh->listing.n, weigh->listing.at, weigh->listing.n);
    return add(total, of->seller, weigh->seller.at, N_OF_SELLER);
}

/* Write what each of some values adds; return where the next is written. */
static double *write_each(double *into, const double *values, const double *weights, int64_t n) {
    for (int64_t i = 0; i < n; i++) into[i] = values[i] * weights[i];
    return into + n;
}

/* Write what each feature of a pair adds, in the order in which `sum` adds them; the n-grams of a text are one. */
static void write_parts(const pair *of, const stage_tables *tables, double *into) {
    const feature_weights *weigh = &tables->weights;
    const reading *titles = of->titles, *descriptions = of->descriptions;
    int64_t i = of->title, j = of->description, n_words = tables->trade.n_counted;
    int64_t n_offers = tables->title.n_offers, n_other_offers = tables->description.n_offers;
    *into++ = titles->ngrams[i];
    *into++ = descriptions->ngrams[j];
    *into++ = of->facts[WEIGHT_OF_CATEGORY];
    into = write_each(into, titles->counts + i * n_words, weigh->words.at, n_words);
    into = write_each(into, descriptions->counts + j * n_words, weigh->words.at + n_words, n_words);
    into = write_each(into, titles->claims + i * N_CLAIMS, weigh->brand.at, N_CLAIMS);
    into = write_each(into, titles->goods + i * weigh->goods.n, weigh->goods.at, weigh->goods.n);
    into = write_each(into, titles->offers + i * n_offers, weigh->offer.at, n_offers);
    into = write_each(into, descriptions->offers + j * n_other_offers, weigh->offer.at + n_offers, n_other_offers);
    into = write_each(into, titles->prices + i * weigh->price.n, weigh->price.at, weigh->price.n);
    into = write_each(into, descriptions->listing + j * weigh->listing.n, weigh->listing.at, weigh->listing.n);
    write_each(into, of->seller, weigh->seller.at, N_OF_SELLER);
}

static int64_t count_parts(const stage_tables *tables) {
    const feature_weights *weigh = &tables->weights;
    return 3 + weigh->words.n + weigh->brand.n + weigh->goods.n + weigh->offer.n + weigh->price.n + weigh->listing.n +
           weigh->seller.n;
}

/* Cut the long ones of some texts into passages, ready to be read; there may be none. */
static reading cut_long(const reading *whole, const text_column *column, space *within) {
    buffer *offsets = make_buffer(within), *data = make_buffer(within), *rows = make_buffer(within);
    cut_passages(whole->folded, column->longest_whole, column->passage_words, column->passage_step, offsets, data,
                 rows);
    int64_t n = has_failed(within) ? 0 : rows->n / 8;
    int64_t *owners = ROOM(within, int64_t, n), *bounds = ROOM(within, int64_t, whole->n);
    reading of = {
        .n = n,
        .owners = owners,
        .wholes = int64s_of(rows).at,
        .bounds = bounds,
        .folded = {int64s_of(offsets), uint8s_of(data)},
    };
    if (within->failed) return of;
    for (int64_t i = 0; i < n; i++) {
        owners[i] = whole->owners[of.wholes[i]];
        bounds[of.wholes[i] + 1]++;
    }
    for (int64_t i = 0; i < whole->n; i++) bounds[i + 1] += bounds[i];
    return of;
}

/* What is read of some listings: their texts whole, and the passages of the long ones. */
typedef struct {
    reading titles, descriptions, title_passages, description_passages;
} readings;

static reading read_whole(texts raw, const int64_t *owners, const text_column *column, const characters *known,
                          const stage_tables *tables, space *within) {
    texts folded = fold_and_read(raw, column->most_letters, known, tables, within);
    return (reading){.n = n_texts(raw), .owners = owners, .folded = folded};
}

/* Read all that is read in the texts of some listings. */
static void read_all(readings *all, const listings *of, const listing_texts *written, const characters *known,
                     const stage_tables *tables, space *within) {
    texts titles = written->titles, descriptions = written->descriptions;
    all->titles = read_whole(titles, written->title_owners, &tables->title, known, tables, within);
    all->descriptions =
        read_whole(descriptions, written->description_owners, &tables->description, known, tables, within);
    if (within->failed || lacks_pages(known)) return;
    read_titles(&all->titles, titles, of, known, tables, within);
    read_descriptions(&all->descriptions, descriptions, of, tables, within);
    if (within->failed) return;
    all->title_passages = cut_long(&all->titles, &tables->title, within);
    all->description_passages = cut_long(&all->descriptions, &tables->description, within);
    if (within->failed) return;
    if (all->title_passages.n)
        read_titles(&all->title_passages, all->title_passages.folded, of, known, tables, within);
    if (!within->failed && all->description_passages.n)
        read_descriptions(&all->description_passages, all->description_passages.folded, of, tables, within);
}

/* Take a pair of a listing for its worst one, if it is. */
static void compare(const pair *of, const stage_tables *tables, double *worst, pair *chosen) {
    double total = sum(of, tables);
    if (!(total > *worst)) return;
    *worst = total;
    *chosen = *of;
}

/* Write the log-odds of a pair, of long texts those of the worst passage, and which pair that is. */
static void find_worst(const readings *all, const stage_tables *tables, double *worst, pair *chosen) {
    const pair whole = *chosen;
    const int64_t *of_title = all->title_passages.bounds + whole.title;
    const int64_t *of_description = all->description_passages.bounds + whole.description;
    *worst = sum(&whole, tables);
    pair other = whole;
    other.titles = &all->title_passages;
    for (other.title = of_title[0]; other.title < of_title[1]; other.title++) compare(&other, tables, worst, chosen);
    other = whole;
    other.descriptions = &all->description_passages;
    for (other.description = of_description[0]; other.description < of_description[1]; other.description++)
        compare(&other, tables, worst, chosen);
}

static void find_more(const readings *all, const listing_texts *written, const stage_tables *tables, uint8_t *found,
                      space *within) {
    int64_t n = all->titles.n;
    uint8_t *is_unfamiliar = ROOM(within, uint8_t, n), *is_plain = ROOM(within, uint8_t, n);
    if (within->failed) return;
    are_unfamiliar(as_int64s(all->titles.n_all, n), as_int64s(all->titles.n_known, n), tables->used,
                   (uint8s_out){is_unfamiliar, n});
    have_plain_letters(all->titles.folded, (uint8s_out){is_plain, n});
    for (int64_t i = 0; i < written->n; i++) {
        int64_t title = written->title_of[i];
        found[i] = (uint8_t)((is_unfamiliar[title] ? IS_UNFAMILIAR : 0) | (is_plain[title] ? 0 : HAS_NO_PLAIN_LETTERS));
    }
}

/* Write what is read in the texts of a column. */
static void tell_read(const reading *of, text_readings into) {
    buffer_write(into.data, of->folded.data.at, of->folded.data.n);
    buffer_write(into.numbers, of->folded.offsets.at, 8 * (of->n + 1));
    buffer_write(into.numbers, of->starts->at, of->starts->n);
    buffer_write(into.numbers, of->firsts->at, of->firsts->n);
    const buffer *places[] = {of->numbers, of->begins, of->ends};
    for (int i = 0; i < 3; i++) buffer_write(into.places, places[i]->at, places[i]->n);
}

static void weigh_within(const listings *of, const listing_texts *written, const characters *known,
                         const stage_tables *tables, stage_results into, space *within) {
    readings all = {.titles = {.n = 0}};
    int64_t n_parts = count_parts(tables);
    double *sellers = describe_all_sellers(of, of->facts.n / N_FACTS, tables, within);
    if (within->failed) return;
    read_all(&all, of, written, known, tables, within);
    if (within->failed || lacks_pages(known)) return;
    find_more(&all, written, tables, into.found, within);
    for (int64_t i = 0; i < written->n; i++) {
        int64_t title = written->title_of[i], owner = all.titles.owners[title];
        pair chosen = {
            &all.titles, title, &all.descriptions, written->description_of[i],
            of->facts.at + owner * N_FACTS, sellers + owner * N_OF_SELLER,
        };
        find_worst(&all, tables, &into.log_odds[i], &chosen);
        if (into.parts != NULL) write_parts(&chosen, tables, into.parts + i * n_parts);
        if (into.brands != NULL) into.brands[i] = all.titles.claimed[title];
    }
    if (into.read.data != NULL) {
        tell_read(&all.titles, into.read);
        tell_read(&all.descriptions, into.read);
        within->failed |= into.read.data->failed || into.read.numbers->failed || into.read.places->failed;
    }
}

outcome weigh_texts(const listings *of, const listing_texts *written, const characters *known,
                    const stage_tables *tables, stage_results into) {
    space within = {.n_blocks = 0};
    weigh_within(of, written, known, tables, into, &within);
    bool is_done = !has_failed(&within);
    give_back(&within);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Where a block of listings ends: there are not many in it, so that what is read of them stays in the cache. */
static int64_t end_of_block(const listings *of, int64_t first) {
    const int64_t *titles = of->titles.offsets.at, *descriptions = of->descriptions.offsets.at;
    int64_t n = n_texts(of->titles), last = first + 1;
    while (last < n && last - first < MOST_LISTINGS_AT_ONCE &&
           titles[last + 1] - titles[first] + descriptions[last + 1] - descriptions[first] < MOST_BYTES_AT_ONCE)
        last++;
    return last;
}

/* Some of many texts; their offsets, moved to begin at 0, need room. */
static texts cut_texts(texts of, int64_t first, int64_t n, int64_t *offsets) {
    int64_t begin = of.offsets.at[first];
    for (int64_t i = 0; i <= n; i++) offsets[i] = of.offsets.at[first + i] - begin;
    return (texts){as_int64s(offsets, n + 1), {of.data.at + begin, offsets[n]}};
}

listings cut_listings(const listings *of, int64_t first, int64_t n, int64_t *offsets) {
    return (listings){
        cut_texts(of->titles, first, n, offsets),
        cut_texts(of->descriptions, first, n, offsets + n + 1),
        {of->facts.at + first * N_FACTS, n * N_FACTS},
        {of->codes.at + first * N_CODES, n * N_CODES},
        {as_int64s(of->authorised.starts.at + first, n + 1), of->authorised.number},
    };
}

static outcome weigh_own(const listings *of, const characters *known, const stage_tables *tables,
                         stage_results into) {
    int64_t n = n_texts(of->titles);
    int64_t *rows = malloc((size_t)(n + 1) * sizeof *rows);
    if (rows == NULL) return OUT_OF_MEMORY;
    for (int64_t i = 0; i < n; i++) rows[i] = i;
    listing_texts written = {of->titles, of->descriptions, rows, rows, n, rows, rows};
    outcome code = weigh_texts(of, &written, known, tables, into);
    free(rows);
    return code;
}

/* Write the log-odds of each listing alone, of long texts those with the worst passage; which brand it is of, -1
   for none that is known; and what else is found. */
EXPORT outcome weigh_listings(const listings *of, const characters *known, const stage_tables *tables,
                              doubles_out log_odds, int64s_out brands, uint8s_out found) {
    REQUIRE(are_stage_tables(tables) && are_listings(of, tables) && are_characters(known));
    REQUIRE(log_odds.n == n_rows(of->titles) && brands.n == log_odds.n && found.n == log_odds.n);
    int64_t n = n_texts(of->titles), n_most = min_of(n, MOST_LISTINGS_AT_ONCE);
    int64_t *offsets = malloc((size_t)(2 * n_most + 2) * sizeof *offsets);
    outcome code = offsets == NULL ? OUT_OF_MEMORY : 0;
    bool is_of_use = !ask_pages(of->titles, known) && !ask_pages(of->descriptions, known);
    for (int64_t first = 0, last = 0; is_of_use && first < n && code == 0; first = last) {
        last = end_of_block(of, first);
        listings some = cut_listings(of, first, last - first, offsets);
        stage_results into = {log_odds.at + first, brands.at + first, found.at + first, NULL, {NULL, NULL, NULL}};
        code = weigh_own(&some, known, tables, into);
    }
    free(offsets);
    return code;
}

/* Write also what each feature adds to the log-odds, a row for each listing: the n-grams of title and description, the
   category, and the features of each other extractor; and what is read in titles and then in descriptions, as
   `text_readings` has it. */
EXPORT outcome explain_listings(const listings *of, const characters *known, const stage_tables *tables,
                                doubles_out log_odds, int64s_out brands, uint8s_out found, doubles_out parts,
                                buffer *data, buffer *numbers, buffer *places) {
    REQUIRE(are_stage_tables(tables) && are_listings(of, tables) && are_characters(known));
    REQUIRE(log_odds.n == n_rows(of->titles) && brands.n == log_odds.n && found.n == log_odds.n);
    REQUIRE(parts.n == log_odds.n * count_parts(tables));
    stage_results into = {log_odds.at, brands.at, found.at, parts.at, {data, numbers, places}};
    return weigh_own(of, known, tables, into);
}
