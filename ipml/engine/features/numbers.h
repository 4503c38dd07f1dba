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

EXPORT outcome natural_log(doubles values, doubles_out logs);

/* Add to each total its row's values, each times the weight of its column, from left to right. */
EXPORT outcome add_rows(doubles values, doubles weights, doubles_out total);

/* Write what each vector, brought to length 1, is in some directions from a middle; 0 for one of zeros. `directions`
   has a row for each number of a vector. */
EXPORT outcome project_vectors(floats vectors, doubles mean, doubles directions, doubles_out values);

/* Write the days from one moment in microseconds to another; NaN where either is unknown. */
EXPORT outcome count_days(int64s begins, int64s ends, doubles_out days);

/* Write moments in microseconds, or other ones where they are unknown, in nanoseconds; one after the least
   where both are unknown. */
EXPORT outcome choose_moments(int64s wanted, int64s others, int64s_out moments);

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
