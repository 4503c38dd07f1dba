/* Which kinds of goods titles name and what follows, as `ipml.features.goods.GoodsFeatures` says. */
#include "features/goods.h"

enum { N_SUMMARY = 6, MOST_COUNTED = 3 };

/* Write 1 for each kind a title names; return their number, and how often the most copied of them is copied. */
static int64_t mark_kinds(places named, int64_t row, const goods_table *goods, double *values, double *most_often) {
    int64_t n_named = 0;
    *most_often = 0.0;
    for (int64_t i = named.starts.at[row]; i < named.starts.at[row + 1]; i++) {
        int64_t kind = goods->phrase_kinds.at[named.number.at[i]];
        if (values[kind] != 0.0) continue;
        values[kind] = 1.0;
        double often = goods->often_copied.at[kind];
        if (n_named == 0 || often > *most_often) *most_often = often;
        n_named++;
    }
    return n_named;
}

static bool is_of_brands(number_lists brands, int64_t row, const goods_table *goods, int64_t kind) {
    for (int64_t i = brands.starts.at[row]; i < brands.starts.at[row + 1]; i++) {
        if (goods->of_brand.at[brands.number.at[i] * goods->often_copied.n + kind]) return true;
    }
    return false;
}

void describe_goods(places named, number_lists brands, const goods_table *goods, doubles_out values) {
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
}
