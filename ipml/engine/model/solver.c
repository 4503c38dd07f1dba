/* The solver of the linear learner: logistic regression by ascent on the dual, one row at a time. What it minimises,
   and how, `ipml.model.learner.solver` says. */
#include "model/solver.h"

#include <math.h>

enum { ESCAPE = 65535 }; /* the code that says: so much further, and no n-gram there */
enum { STATE = 16, PLACES = 8, VALUES = 4 }; /* how many rows ahead of a visit memory is asked for these */
enum { MOST_REST = 7 }; /* passes */
enum { MOST_STEPS = 50 };
enum { LINE = 64 }; /* bytes that memory gives at once */
static const double LITTLE = 0.3;  /* of the mean gain */
static const double ENOUGH = 1e-8; /* a margin need be no more exact */

/* The columns of the n-grams of one row, each as often as it occurs. */
typedef struct {
    uint32_t *columns;
    int64_t n;
    double scale;
} row_ngrams;

/* Return the place of a block of a row among all. */
static inline int64_t place_of(const stored_rows *stored, int64_t block, int64_t row) {
    return row * stored->firsts.n + block;
}

/* Write the n-grams that one block of a row has. */
static inline void read_block(const stored_rows *stored, int64_t block, int64_t row, row_ngrams *to) {
    int64_t place = place_of(stored, block, row);
    const uint16_t *code = stored->codes.at + stored->starts.at[place], *end = code + stored->lengths.at[place];
    uint32_t *columns = to->columns, column = (uint32_t)stored->firsts.at[block];
    int64_t n = 0;
    for (; code < end; code++) {
        column += *code;
        columns[n] = column;
        n += *code != ESCAPE;
    }
    to->n = n;
    to->scale = stored->scales.at[place];
}

static bool are_stored_rows(const stored_rows *of) {
    int64_t n_places = (of->pointers.n - 1) * of->firsts.n;
    return are_lists(of->pointers, of->indices.n) && of->values.n == of->indices.n && of->starts.n == n_places &&
           of->lengths.n == n_places && of->scales.n == n_places;
}

/* Make room for the n-grams of any block of some rows. */
static bool start_rows(const stored_rows *stored, int64s rows, row_ngrams *room) {
    int64_t longest = 0;
    for (int64_t i = 0; i < rows.n; i++)
        for (int64_t block = 0; block < stored->firsts.n; block++)
            longest = max_of(longest, stored->lengths.at[place_of(stored, block, rows.at[i])]);
    room->columns = malloc((size_t)(longest + 1) * sizeof *room->columns);
    return room->columns != NULL;
}

static void end_rows(row_ngrams *room) { free(room->columns); }

/* Return what the columns of n-grams hold, added up; what a column holds stands `step` places after that of the one
   before. */
static inline double add_up(const row_ngrams *row, const double *of_column, int64_t step) {
    const uint32_t *columns = row->columns;
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    int64_t k = 0;
    for (; k + 4 <= row->n; k += 4)
        for (int64_t part = 0; part < 4; part++) sums[part] += of_column[columns[k + part] * step];
    for (; k < row->n; k++) sums[0] += of_column[columns[k] * step];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Return what n-grams that occur once in their column are worth: its rarity, times what stands in `of_column`. */
static double *times_rarity(const stored_rows *stored, doubles of_column) {
    double *worth = malloc(((size_t)of_column.n + 1) * sizeof *worth);
    for (int64_t column = 0; worth != NULL && column < of_column.n; column++)
        worth[column] = column < stored->rarity.n ? of_column.at[column] * stored->rarity.at[column] : 0.0;
    return worth;
}

/* Write the product of each row with the coefficients. */
EXPORT outcome multiply_rows(const stored_rows *stored, int64s rows, doubles coefficients, doubles_out products) {
    REQUIRE(are_stored_rows(stored) && products.n == rows.n && coefficients.n >= stored->rarity.n);
    row_ngrams of;
    double *worth = times_rarity(stored, coefficients);
    bool is_done = start_rows(stored, rows, &of) && worth != NULL;
    for (int64_t i = 0; is_done && i < rows.n; i++) {
        int64_t row = rows.at[i];
        double total = 0.0;
        for (int64_t block = 0; block < stored->firsts.n; block++) {
            read_block(stored, block, row, &of);
            total += of.scale * add_up(&of, worth, 1);
        }
        for (int64_t at = stored->pointers.at[row]; at < stored->pointers.at[row + 1]; at++)
            total += stored->values.at[at] * coefficients.at[stored->indices.at[at]];
        products.at[i] = total;
    }
    end_rows(&of);
    free(worth);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Add the values of n-grams, which stand in order, each times a number, to those of their columns; return the sum of
   their squares. */
static double measure_ngrams(const row_ngrams *row, const double *rarity, double times, double *of_column) {
    const uint32_t *columns = row->columns;
    double square = 0.0;
    for (int64_t k = 0, next = 0; k < row->n; k = next) {
        while (next < row->n && columns[next] == columns[k]) next++;
        double value = (double)(next - k) * rarity[columns[k]] * row->scale;
        square += value * value;
        of_column[columns[k]] += times * value;
    }
    return square;
}

/* Write the square of each row's length, and the sum of the rows, each times its part. */
EXPORT outcome measure_rows(const stored_rows *stored, int64s rows, doubles parts, doubles_out squares,
                            doubles_out sums) {
    REQUIRE(are_stored_rows(stored) && parts.n == rows.n && squares.n == rows.n && sums.n >= stored->rarity.n);
    row_ngrams of;
    bool is_done = start_rows(stored, rows, &of);
    memset(sums.at, 0, (size_t)sums.n * sizeof *sums.at);
    for (int64_t i = 0; is_done && i < rows.n; i++) {
        int64_t row = rows.at[i];
        double square = 0.0;
        for (int64_t block = 0; block < stored->firsts.n; block++) {
            read_block(stored, block, row, &of);
            square += measure_ngrams(&of, stored->rarity.at, parts.at[i], sums.at);
        }
        for (int64_t at = stored->pointers.at[row]; at < stored->pointers.at[row + 1]; at++) {
            square += stored->values.at[at] * stored->values.at[at];
            sums.at[stored->indices.at[at]] += parts.at[i] * stored->values.at[at];
        }
        squares.at[i] = square;
    }
    end_rows(&of);
    return is_done ? 0 : OUT_OF_MEMORY;
}

/* Put numbers in another order, drawn by SplitMix64; return the state to go on from. */
static uint64_t shuffle(uint32_t *order, int64_t n, uint64_t state) {
    for (int64_t last = n - 1; last > 0; last--) {
        state += 0x9E3779B97F4A7C15;
        uint64_t drawn = (state ^ state >> 30) * 0xBF58476D1CE4E5B9;
        drawn = (drawn ^ drawn >> 27) * 0x94D049BB133111EB;
        int64_t other = (int64_t)((drawn ^ drawn >> 31) % (uint64_t)(last + 1));
        uint32_t moved = order[last];
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

/* The sum of a column. That of n-grams is kept times their rarity, beside the square of which it is to grow by. */
typedef struct {
    double sum, square;
} column_state;

/* Where a row stands; `cost` bears its sign. */
typedef struct {
    double cost, reach, share, gain;
} row_state;

/* Where an ascent stands. */
typedef struct {
    const stored_rows *stored;
    const int64_t *numbers; /* of the rows among those stored */
    const double *least;
    column_state *columns;
    row_state *rows;
    int8_t *rests, *left;
    uint32_t *order; /* the rows of a pass */
    double intercept, balance, little;
    row_ngrams *ngrams; /* of the row that is visited, by block */
} ascent;

/* Read the n-grams of a row and return what its columns sum to. */
static double sum_row(ascent *of, int64_t row) {
    const stored_rows *stored = of->stored;
    double total = of->intercept + of->balance;
    for (int64_t block = 0; block < stored->firsts.n; block++) {
        row_ngrams *ngrams = of->ngrams + block;
        read_block(stored, block, row, ngrams);
        total += ngrams->scale * add_up(ngrams, &of->columns->sum, sizeof(column_state) / sizeof(double));
    }
    for (int64_t at = stored->pointers.at[row]; at < stored->pointers.at[row + 1]; at++) {
        int32_t column = stored->indices.at[at];
        double sum = of->columns[column].sum, least = of->least[column];
        total += stored->values.at[at] * (sum > least ? sum : least);
    }
    return total;
}

/* Add the values of the row just read, each times a number, to the sums of its columns. */
static void add_row(ascent *of, int64_t row, double times) {
    const stored_rows *stored = of->stored;
    for (int64_t block = 0; block < stored->firsts.n; block++) {
        const row_ngrams *ngrams = of->ngrams + block;
        double change = times * ngrams->scale;
        for (int64_t k = 0; k < ngrams->n; k++) {
            column_state *column = of->columns + ngrams->columns[k];
            column->sum += change * column->square;
        }
    }
    for (int64_t at = stored->pointers.at[row]; at < stored->pointers.at[row + 1]; at++)
        of->columns[stored->indices.at[at]].sum += times * stored->values.at[at];
}

/* Set the share of a row to the best one, given those of the others. */
static void visit_row(ascent *of, int64_t i) {
    row_state *state = of->rows + i;
    double cost = fabs(state->cost), share = state->share, sum = sum_row(of, of->numbers[i]);
    double margin = state->cost < 0.0 ? -sum : sum;
    state->gain = cost * (loss_of(margin) + negative_entropy(share) + share * margin);
    of->rests[i] = state->gain < of->little ? (int8_t)min_of(2 * of->rests[i] + 1, MOST_REST) : 0;
    of->left[i] = of->rests[i];
    state->share = best_share(margin, state->reach, share);
    double change = state->cost * (state->share - share);
    of->balance += change;
    add_row(of, of->numbers[i], change);
}

/* Write which rows are visited in a pass, in an order that is drawn; return how many there are. */
static int64_t draw_order(ascent *of, int64_t n, bool is_full, uint64_t *state) {
    int64_t n_visited = 0;
    for (int64_t i = 0; i < n; i++) {
        if (of->left[i] > 0 && !is_full)
            of->left[i]--;
        else
            of->order[n_visited++] = (uint32_t)i;
    }
    *state = shuffle(of->order, n_visited, *state);
    return n_visited;
}

static void fetch_state(const ascent *of, int64_t i) {
    __builtin_prefetch(of->rows + i, 1);
    __builtin_prefetch((const char *)(of->rows + i + 1) - 1, 1);
    __builtin_prefetch(of->numbers + i);
    __builtin_prefetch(of->rests + i, 1);
    __builtin_prefetch(of->left + i, 1);
}

static void fetch_places(const stored_rows *stored, int64_t row) {
    __builtin_prefetch(stored->pointers.at + row);
    __builtin_prefetch(stored->starts.at + place_of(stored, 0, row));
    __builtin_prefetch(stored->lengths.at + place_of(stored, 0, row));
    __builtin_prefetch(stored->scales.at + place_of(stored, 0, row));
}

static void fetch_values(const stored_rows *stored, int64_t row) {
    for (int64_t block = 0; block < stored->firsts.n; block++) {
        int64_t place = place_of(stored, block, row);
        const uint16_t *code = stored->codes.at + stored->starts.at[place], *end = code + stored->lengths.at[place];
        for (; code < end; code += LINE / sizeof *code) __builtin_prefetch(code);
    }
    __builtin_prefetch(stored->indices.at + stored->pointers.at[row]);
    __builtin_prefetch(stored->values.at + stored->pointers.at[row]);
}

/* Visit rows in their order; memory is asked for what is needed some rows ahead, for they stand far apart. */
static void pass_over(ascent *of, int64_t n) {
    const uint32_t *order = of->order;
    for (int64_t at = 0; at < n; at++) {
        if (at + STATE < n) fetch_state(of, order[at + STATE]);
        if (at + PLACES < n) fetch_places(of->stored, of->numbers[order[at + PLACES]]);
        if (at + VALUES < n) fetch_values(of->stored, of->numbers[order[at + VALUES]]);
        visit_row(of, order[at]);
    }
}

static void start_columns(ascent *of, doubles_out sums) {
    doubles rarity = of->stored->rarity;
    for (int64_t column = 0; column < sums.n; column++) {
        double rare = column < rarity.n && rarity.at[column] > 0.0 ? rarity.at[column] : 1.0;
        of->columns[column] = (column_state){.sum = sums.at[column] * rare, .square = rare * rare};
    }
}

static void start_states(ascent *of, const fitted_rows *fitted, doubles_out shares) {
    of->balance = 0.0;
    for (int64_t i = 0; i < fitted->rows.n; i++) {
        double cost = fitted->sign.at[i] * fitted->cost.at[i];
        of->rows[i] = (row_state){.cost = cost, .share = shares.at[i]};
        of->rows[i].reach = fitted->cost.at[i] * (fitted->squares.at[i] + 1.0);
        of->balance += cost * shares.at[i];
    }
}

static bool start_ascent(const stored_rows *stored, const fitted_rows *fitted, doubles_out shares, doubles_out sums,
                         ascent *of) {
    size_t n = (size_t)fitted->rows.n + 1, n_blocks = (size_t)stored->firsts.n;
    if (n > UINT32_MAX) return false;
    of->stored = stored;
    of->numbers = fitted->rows.at;
    of->least = fitted->least.at;
    of->rows = malloc(n * sizeof *of->rows);
    of->rests = calloc(n, sizeof *of->rests);
    of->left = calloc(n, sizeof *of->left);
    of->order = malloc(n * sizeof *of->order);
    of->columns = malloc(((size_t)sums.n + 1) * sizeof *of->columns);
    of->ngrams = calloc(n_blocks + 1, sizeof *of->ngrams);
    if (!of->rows || !of->rests || !of->left || !of->order || !of->columns || !of->ngrams) return false;
    for (size_t block = 0; block < n_blocks; block++)
        if (!start_rows(stored, fitted->rows, of->ngrams + block)) return false;
    start_columns(of, sums);
    start_states(of, fitted, shares);
    return true;
}

static void end_ascent(ascent *of) {
    for (int64_t block = 0; of->ngrams != NULL && block < of->stored->firsts.n; block++) end_rows(of->ngrams + block);
    free(of->ngrams);
    free(of->columns);
    free(of->order);
    free(of->left);
    free(of->rests);
    free(of->rows);
}

static double sum_gains(const ascent *of, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += of->rows[i].gain;
    return sum;
}

static void write_back(const ascent *of, doubles_out shares, doubles_out sums) {
    for (int64_t i = 0; i < shares.n; i++) shares.at[i] = of->rows[i].share;
    for (int64_t column = 0; column < sums.n; column++)
        sums.at[column] = of->columns[column].sum / sqrt(of->columns[column].square);
}

/* Visit rows until the gap is no larger than the tolerance; change shares, sums and the intercept, and write the gap.
   Return the number of passes. */
EXPORT outcome ascend(const stored_rows *stored, const fitted_rows *fitted, doubles_out shares, doubles_out sums,
                      double tolerance, int64_t most_passes, uint64_t seed, doubles_out intercept, doubles_out gap) {
    REQUIRE(are_stored_rows(stored) && shares.n == fitted->rows.n && sums.n >= stored->rarity.n);
    REQUIRE(fitted->sign.n == shares.n && fitted->cost.n == shares.n && fitted->squares.n == shares.n);
    REQUIRE(fitted->least.n == sums.n && intercept.n == 1 && gap.n == 1);
    int64_t n = fitted->rows.n, n_passes = 0;
    ascent of = {.intercept = intercept.at[0]};
    uint64_t state = seed;
    bool is_started = start_ascent(stored, fitted, shares, sums, &of), is_done = false;
    gap.at[0] = INFINITY;
    while (is_started && !is_done && n_passes < most_passes) {
        bool is_full = n_passes == 0 || gap.at[0] <= tolerance;
        pass_over(&of, draw_order(&of, n, is_full, &state));
        n_passes++;
        of.intercept += of.balance;
        gap.at[0] = sum_gains(&of, n);
        of.little = LITTLE * gap.at[0] / (double)n;
        is_done = is_full && gap.at[0] <= tolerance;
    }
    if (is_started) write_back(&of, shares, sums);
    intercept.at[0] = of.intercept;
    end_ascent(&of);
    return is_started ? n_passes : OUT_OF_MEMORY;
}
