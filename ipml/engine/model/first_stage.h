/* The log-odds of some listings alone from their texts in one call, with all that a model of the usual
   extractors knows: `ipml.model.compiled_stage`. */
#ifndef IPML_FIRST_STAGE_H
#define IPML_FIRST_STAGE_H

#include "base/engine.h"
#include "features/goods.h"
#include "features/offers.h"
#include "features/trade_words.h"
#include "folding/characters.h"
#include "folding/disguises.h"
#include "folding/folding.h"
#include "phrases/phrases.h"
#include "phrases/skeletons.h"
#include "spelling/spelling.h"

/* What is known of a listing besides its texts; NaN where unknown. */
enum {
    PRICE,
    REFERENCE_OF_FIELD, /* the usual price of the brand that the field names */
    USUAL_OF_CATEGORY,
    WEIGHT_OF_CATEGORY,
    AGE_DAYS,
    LISTING_SALES,
    LISTING_RETURNS,
    LISTING_RATING,
    LISTING_REVIEWS,
    SELLER_SALES,
    SELLER_RETURNS,
    SELLER_COMPLAINTS,
    SELLER_RATING,
    SELLER_STRIKES,
    N_FACTS
};

/* The same in whole numbers. A brand field that folding leaves empty is given, but says nothing. */
enum {
    HAS_CODE,
    HAS_FIELD,
    FIELD_SAYS,
    BRAND_OF_FIELD,    /* -1 for one that is not known */
    CATEGORY_AND_UNIT, /* which usual prices are those of its category, in the unit of its price */
    UNIT,              /* which are those in this unit, whatever the category */
    N_CODES
};

typedef struct {
    texts titles, descriptions; /* as written; a description that is missing is empty */
    doubles facts;              /* N_FACTS for each listing */
    int64s codes;               /* N_CODES for each listing */
    number_lists authorised;    /* the brands that authorised the seller of each listing */
} listings;

/* What goods of brands usually cost: those of each category and unit that has its own, and in each unit at all. */
typedef struct {
    int64s starts;    /* where the prices of a category and unit begin; the last has none */
    int64s brands;    /* whose, in order */
    doubles prices;
    doubles of_units; /* shape (n_units, n_brands); NaN where unknown, as all of the last */
} usual_prices;

/* What is known of a column of texts. */
typedef struct {
    int64_t most_letters;                               /* letters beyond are not read */
    int64_t longest_whole, passage_words, passage_step; /* of longer texts the passages count, too */
    doubles marked;                                     /* what n-grams weigh, as mark_known writes them */
    int64_t letters_min, letters_max, words;            /* of n-grams */
    int64_t n_offers;                                   /* columns of how offers are made */
} text_column;

/* How much the features of each extractor weigh; those of texts first for the title, then for the description. */
typedef struct {
    doubles words, brand, goods, offer, price, listing, seller;
    double intercept;
} feature_weights;

typedef struct {
    text_column title, description;
    folding_tables folding;
    spelling_tables spelling;
    skeleton_tables skeletons;
    phrase_tables phrases; /* the sets of words of the trade, brands, goods and offers, in this order */
    trade_table trade;
    offer_table offers;
    int64s offer_columns;
    int64s phrase_brands;
    brand_spellings spellings;
    uint8s has_authorised; /* whether each brand names the sellers it authorised */
    goods_table goods;
    usual_prices usual;
    doubles price_steps;
    double least_of_category, most_of_price;
    doubles age_steps;
    double prior_listing_sales;
    doubles usual_of_sellers;
    double prior_seller_sales, most_strikes;
    feature_weights weights;
    double used; /* the share of n-grams of titles in use */
} stage_tables;

/* Whether all that is known of listings is known of each, and whether a model weighs as many features as there are. */
bool are_listings(const listings *of, const stage_tables *tables);
bool are_stage_tables(const stage_tables *of);

/* What else is found of a listing: the model knows none of the n-grams of its title; its title has no letter from a to z
   and no digit. */
enum { IS_UNFAMILIAR = 1, HAS_NO_PLAIN_LETTERS = 2 };

/* Titles and descriptions of listings, and which of them are weighed together: a description may stand beside several
   titles, and a title beside several descriptions, of one listing. */
typedef struct {
    texts titles, descriptions;
    const int64_t *title_owners, *description_owners; /* the listing of each */
    int64_t n;
    const int64_t *title_of, *description_of;
} listing_texts;

/* What is read in texts, one column after another: as they are folded, misspelt words read; their offsets, and for each
   set of phrases where the places of each text start, and then where those of each set do; the places. */
typedef struct {
    buffer *data;    /* uint8_t */
    buffer *numbers; /* int64_t: offsets, starts, firsts */
    buffer *places;  /* int32_t: numbers, begins, ends */
} text_readings;

/* Where results are written, one for each title and description weighed together; brands, the parts of the sum, and
   what is read, only where they are asked for. */
typedef struct {
    double *log_odds;
    int64_t *brands;
    uint8_t *found;
    double *parts;
    text_readings read;
} stage_results;

/* Weigh texts of some listings, which may be others than their own. Where pages of characters are missing, nothing of
   use is written, here and below. */
outcome weigh_texts(const listings *of, const listing_texts *written, const characters *known,
                    const stage_tables *tables, stage_results into);

/* Some of many listings alone; the offsets of their texts need room for 2 * (n + 1) numbers. */
listings cut_listings(const listings *of, int64_t first, int64_t n, int64_t *offsets);

#endif
