/* What numbers say of a listing, a price and a seller, worked out row by row. Numbers that are unknown are NaN, moments
   the least of all. */
#ifndef IPML_NUMBERS_H
#define IPML_NUMBERS_H

#include "base/engine.h"

enum { N_OF_LISTING = 9, N_OF_SELLER = 4, N_OF_PRICE = 3 }; /* values, without those of steps */

typedef struct {
    doubles age_days, sales, returns, rating, reviews;
    int64s letters;  /* of the description */
    uint8s has_code; /* 0 or 1 */
} listing_figures;

typedef struct {
    doubles sales, returns, complaints, rating, strikes;
} seller_figures;

/* Say which texts know no more of their n-grams than chance would, where a share of all columns is in use: that share of
   them, since columns are shared, and three standard deviations. */
void are_unfamiliar(int64s n_all, int64s n_known, double used, uint8s_out unfamiliar);

/* Write the values of `ListingFeatures`, 9 and one a step for each listing. */
EXPORT outcome describe_listings(const listing_figures *of, doubles age_steps_days, double prior_sales,
                                 doubles_out values);

/* Write the values of `SellerFeatures`, 4 for each listing. `usual` holds the usual rates of returns and of complaints,
   and the usual rating. */
EXPORT outcome describe_sellers(const seller_figures *of, doubles usual, double prior_sales, double most,
                                doubles_out values);

/* Write the values of `PriceFeatures` from prices over what they are compared with, 3 and one a step for each
   listing. */
EXPORT outcome describe_prices(doubles to_reference, doubles to_category, doubles steps, double least_of_category,
                               double most, doubles_out values);

#endif
