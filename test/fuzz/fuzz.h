#ifndef LIMETTA_TEST_FUZZ_H
#define LIMETTA_TEST_FUZZ_H

/* What every fuzz target includes. A target is one function: it feeds the octets to a parser and asserts what must hold for
 * any input. It must be deterministic, keep nothing between calls and return 0. Borrows data for the call. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
