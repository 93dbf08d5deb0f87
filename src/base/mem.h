#ifndef LIMETTA_BASE_MEM_H
#define LIMETTA_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Zeroed heap memory for one small object of our own. Aborts when out of memory: peers cannot cause it, every
 * number of objects they bring into being is bounded where they arrive. */
static inline void *mem_new(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

#endif
