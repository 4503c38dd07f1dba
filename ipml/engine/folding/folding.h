/* Undo disguise in many texts at once: `ipml.features.normalisation.fold_text`. */
#ifndef IPML_FOLDING_H
#define IPML_FOLDING_H

#include "folding/alphabets.h"
#include "folding/characters.h"
#include "folding/markup.h"
#include "folding/reading.h"
#include "folding/screening.h"
#include "folding/signs.h"
#include "folding/spacing.h"

typedef struct {
    ascii_characters ascii;
    script_readings scripts;
    markup_tables markup;
    screening_tables screening;
    signs_tables signs;
    spacing_tables spacing;
} folding_tables;

void fold_texts(texts raw, int64_t most, const characters *known, const folding_tables *tables, uint8s_out missing,
                int64s_out ends, buffer *folded, uint8s_out is_left);

#endif
