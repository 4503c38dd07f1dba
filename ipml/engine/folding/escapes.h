/* Read what is written in escapes, as in addresses of pages (%72) or in JSON (\u0072):
   `ipml.features.normalisation`. */
#ifndef IPML_ESCAPES_H
#define IPML_ESCAPES_H

#include "base/engine.h"

/* Write a text with its escapes read, if it holds one that only a text written in escapes does, which is never longer;
   return its length, -1 if it is left to the plain function. */
int64_t read_escapes(const uint8_t *text, int64_t n, uint8_t *read);

#endif
