/* The solver of the linear learner: logistic regression by ascent on the dual, one row at a time. What it minimises,
   and how, `ipml.model.solver` says. */
#include "model/solver.h"

#include <math.h>

enum { ESCAPE = 65535 }; /* the code that says: so much further, and no n-gram there */
enum { RUN = 16 };       /* rows visited one after another as they are stored, which memory is quicker at */
enum { MOST_REST = 7 };  /* passes */
enum { MOST_STEPS = 50 };
static const double LITTLE = 0.3;   /* of the mean gain */
static const double ENOUGH = 1e-8; /* a margin need be no more exact */

/* The columns and values of one row, those of n-grams first. */
typedef struct {
    uint32_t *columns;
    double *entries;
    int64_t n_ngrams, n;
} row_values;

/* Write the n-grams of one block of a row after the first n; return how many there are now. What belongs to columns,
   such as rarity, stands `step` places apart. */
static inline int64_t read_block(const stored_rows *stored, int64_t block, int64_t row, const double *rarity,
                                 int64_t step, row_values *to, int64_t n) {
    const int64_t *starts = stored->starts.at + block * stored->pointers.n;
    const uint16_t *code = stored->codes.at + starts[row], *end = stored->codes.at + starts[row + 1];
    const double scale = stored->scales.at[block * (stored->pointers.n - 1) + row];
    uint32_t *columns = to->columns;
    double *entries = to->entries;
    uint64_t column = (uint64_t)stored->firsts.at[block], last = UINT64_MAX;
    for (; code < end; code++) {
        column += *code;
        if (*code == ESCAPE) continue;
        double value = rarity[column * (uint64_t)step] * scale;
        if (column == last) {
            entries[n - 1] += value;
            continue;
        }
        columns[n] = (uint32_t)column;
        entries[n++] = value;
        last = column;
    }
    return n;
}

/* Write the columns and values of one row. */
static inline void read_row(const stored_rows *stored, int64_t row, const double *rarity, int64_t step,
                            row_values *to) {
    int64_t n = 0;
    for (int64_t block = 0; block < stored->firsts.n; block++) n = read_block(stored, block, row, rarity, step, to, n);
    to->n_ngrams = n;
    for (int64_t at = stored->pointers.at[row]; at < stored->pointers.at[row + 1]; at++) {
        to->columns[n] = (uint32_t)stored->indices.at[at];
        to->entries[n++] = stored->values.at[at];
    }
    to->n = n;
}

/* Make room for the values of any of some rows. */
static bool start_rows(const stored_rows *stored, int64s rows, row_values *room) {
    int64_t longest = 0;
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = rows.at[i], n = stored->pointers.at[row + 1] - stored->pointers.at[row];
        for (int64_t block = 0; block < stored->firsts.n; block++) {
            const int64_t *starts = stored->starts.at + block * stored->pointers.n;
            n += starts[row + 1] - starts[row];
        }
        longest = max_of(longest, n);
    }
    room->columns = malloc((size_t)(longest + 1) * sizeof *room->columns);
    room->entries = malloc((size_t)(longest + 1) * sizeof *room->entries);
    return room->columns != NULL && room->entries != NULL;
}

static void end_rows(row_values *room) {
    free(room->columns);
    free(room->entries);
}

/* Return a sum and the first values of a row, each times that of its column. */
static inline double add_products(double sum, const row_values *row, int64_t n, const double *of_column,
                                  int64_t step) {
    const uint32_t *columns = row->columns;
    const double *entries = row->entries;
    for (int64_t k = 0; k < n; k++) sum += entries[k] * of_column[columns[k] * step];
    return sum;
}

/* Add the values of a row, each times a number, to those of their columns. */
static inline void add_row(const row_values *row, double times, double *of_column, int64_t step) {
    const uint32_t *columns = row->columns;
    const double *entries = row->entries;
    for (int64_t k = 0, n = row->n; k < n; k++) of_column[columns[k] * step] += times * entries[k];
}

EXPORT int64_t multiply_rows(const stored_rows *stored, int64s rows, doubles coefficients, doubles_out products) {
    row_values of;
    bool is_done = start_rows(stored, rows, &of);
    for (int64_t i = 0; is_done && i < rows.n; i++) {
        read_row(stored, rows.at[i], stored->rarity.at, 1, &of);
        products.at[i] = add_products(0.0, &of, of.n, coefficients.at, 1);
    }
    end_rows(&of);
    return is_done ? 0 : -1;
}

EXPORT int64_t measure_rows(const stored_rows *stored, int64s rows, doubles parts, doubles_out squares,
                            doubles_out sums) {
    row_values of;
    bool is_done = start_rows(stored, rows, &of);
    memset(sums.at, 0, (size_t)sums.n * sizeof *sums.at);
    for (int64_t i = 0; is_done && i < rows.n; i++) {
        read_row(stored, rows.at[i], stored->rarity.at, 1, &of);
        double square = 0.0;
        for (int64_t k = 0; k < of.n; k++) square += of.entries[k] * of.entries[k];
        squares.at[i] = square;
        add_row(&of, parts.at[i], sums.at, 1);
    }
    end_rows(&of);
    return is_done ? 0 : -1;
}

/* Put numbers in another order, drawn by SplitMix64; return the state to go on from. */
static uint64_t shuffle(int64_t *order, int64_t n, uint64_t state) {
    for (int64_t last = n - 1; last > 0; last--) {
        state += 0x9E3779B97F4A7C15;
        uint64_t drawn = (state ^ state >> 30) * 0xBF58476D1CE4E5B9;
        drawn = (drawn ^ drawn >> 27) * 0x94D049BB133111EB;
        int64_t other = (int64_t)((drawn ^ drawn >> 31) % (uint64_t)(last + 1));
        int64_t moved = order[last];
        order[last] = order[other];
        order[other] = moved;
    }
    return state;
}

static double loss_of(double margin) { return (margin < 0.0 ? -margin : 0.0) + log1p(exp(-fabs(margin))); }

static double negative_entropy(double share) {
    if (share <= 0.0 || share >= 1.0) return 0.0;
    return share * log(share) + (1.0 - share) * log1p(-share);
}

/* Return the share s for which s = 1 / (1 + exp(margin + reach * (s - share))), by Newton steps within bounds. `reach`
   is how far the margin moves as the share goes from 0 to 1. */
static double best_share(double margin, double reach, double share) {
    double low = margin - reach * share, high = low + reach;
    double at = margin, best = 1.0 / (1.0 + exp(margin));
    for (int step = 0; step < MOST_STEPS; step++) {
        double excess = at - margin - reach * (best - share);
        if (excess > 0.0)
            high = at;
        else
            low = at;
        double next = at - excess / (1.0 + reach * best * (1.0 - best));
        if (!(low <= next && next <= high)) next = 0.5 * (low + high);
        double moved = fabs(next - at);
        at = next;
        best = 1.0 / (1.0 + exp(at));
        if (moved <= ENOUGH * (1.0 + fabs(at))) break;
    }
    return best;
}

/* Where an ascent stands. */
typedef struct {
    doubles_out shares;
    double *columns; /* the sum of each column, and beside it its rarity, which memory brings with it */
    double intercept, balance, little;
    double *gains;
    int8_t *rests, *left;
    int64_t *runs;
    row_values row;
} ascent;

/* Return what the row just read sums to. */
static double sum_row(const fitted_rows *fitted, const ascent *of) {
    const row_values *row = &of->row;
    double total = add_products(of->intercept + of->balance, row, row->n_ngrams, of->columns, 2);
    for (int64_t k = row->n_ngrams; k < row->n; k++) {
        double sum = of->columns[2 * row->columns[k]], least = fitted->least.at[row->columns[k]];
        total += row->entries[k] * (sum > least ? sum : least);
    }
    return total;
}

/* Set the share of a row to the best one, given those of the others. */
static void visit_row(const stored_rows *stored, const fitted_rows *fitted, ascent *of, int64_t i) {
    read_row(stored, fitted->rows.at[i], of->columns + 1, 2, &of->row);
    double sign = fitted->sign.at[i], cost = fitted->cost.at[i], share = of->shares.at[i];
    double margin = sign * sum_row(fitted, of);
    of->gains[i] = cost * (loss_of(margin) + negative_entropy(share) + share * margin);
    of->rests[i] = of->gains[i] < of->little ? (int8_t)min_of(2 * of->rests[i] + 1, MOST_REST) : 0;
    of->left[i] = of->rests[i];
    double best = best_share(margin, cost * (fitted->squares.at[i] + 1.0), share);
    double change = sign * cost * (best - share);
    of->shares.at[i] = best;
    of->balance += change;
    add_row(&of->row, change, of->columns, 2);
}

/* Visit the rows of one run that do not rest. */
static void visit_run(const stored_rows *stored, const fitted_rows *fitted, ascent *of, int64_t run, bool is_full) {
    for (int64_t i = run * RUN; i < min_of((run + 1) * RUN, fitted->rows.n); i++) {
        if (of->left[i] > 0 && !is_full)
            of->left[i]--;
        else
            visit_row(stored, fitted, of, i);
    }
}

static bool start_ascent(const stored_rows *stored, const fitted_rows *fitted, doubles_out sums, ascent *of) {
    int64_t n = fitted->rows.n, n_runs = (n + RUN - 1) / RUN;
    of->gains = calloc((size_t)n + 1, sizeof *of->gains);
    of->rests = calloc((size_t)n + 1, sizeof *of->rests);
    of->left = calloc((size_t)n + 1, sizeof *of->left);
    of->runs = malloc(((size_t)n_runs + 1) * sizeof *of->runs);
    of->columns = malloc(((size_t)sums.n + 1) * 2 * sizeof *of->columns);
    bool has_rows = start_rows(stored, fitted->rows, &of->row);
    if (!has_rows || !of->gains || !of->rests || !of->left || !of->runs || !of->columns) return false;
    for (int64_t run = 0; run < n_runs; run++) of->runs[run] = run;
    for (int64_t column = 0; column < sums.n; column++) {
        of->columns[2 * column] = sums.at[column];
        of->columns[2 * column + 1] = column < stored->rarity.n ? stored->rarity.at[column] : 0.0;
    }
    of->balance = 0.0;
    for (int64_t i = 0; i < n; i++) of->balance += fitted->sign.at[i] * fitted->cost.at[i] * of->shares.at[i];
    return true;
}

static void end_ascent(ascent *of) {
    free(of->gains);
    free(of->rests);
    free(of->left);
    free(of->runs);
    free(of->columns);
    end_rows(&of->row);
}

static double sum_of(const double *values, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += values[i];
    return sum;
}

EXPORT int64_t ascend(const stored_rows *stored, const fitted_rows *fitted, doubles_out shares, doubles_out sums,
                      double tolerance, int64_t most_passes, uint64_t seed, doubles_out intercept, doubles_out gap) {
    int64_t n = fitted->rows.n, n_runs = (n + RUN - 1) / RUN, n_passes = 0;
    ascent of = {.shares = shares, .intercept = intercept.at[0]};
    uint64_t state = seed;
    bool is_started = start_ascent(stored, fitted, sums, &of), is_done = false;
    gap.at[0] = INFINITY;
    while (is_started && !is_done && n_passes < most_passes) {
        bool is_full = n_passes == 0 || gap.at[0] <= tolerance;
        state = shuffle(of.runs, n_runs, state);
        for (int64_t run = 0; run < n_runs; run++) visit_run(stored, fitted, &of, of.runs[run], is_full);
        n_passes++;
        of.intercept += of.balance;
        gap.at[0] = sum_of(of.gains, n);
        of.little = LITTLE * gap.at[0] / (double)n;
        is_done = is_full && gap.at[0] <= tolerance;
    }
    for (int64_t column = 0; is_started && column < sums.n; column++) sums.at[column] = of.columns[2 * column];
    intercept.at[0] = of.intercept;
    end_ascent(&of);
    return is_started ? n_passes : -1;
}
