/* The growing part of VEC(T). */
#include "base/vec.h"

#include <stdint.h>
#include <stdlib.h>

void *vec_grow(void *at, size_t count, size_t *size, size_t item_size)
{
    if (count < *size) {
        return at;
    }
    size_t want = *size == 0 ? 4 : *size * 2;
    void *p = want > SIZE_MAX / item_size ? NULL : realloc(at, want * item_size);
    if (p == NULL) {
        abort();
    }
    *size = want;
    return p;
}

void vec_free_items(void *at)
{
    free(at);
}
