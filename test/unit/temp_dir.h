#ifndef LIMETTA_TEST_TEMP_DIR_H
#define LIMETTA_TEST_TEMP_DIR_H

/* A folder under /tmp for one test, and its removal. */
#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

/* template: ends in XXXXXX, is overwritten. */
static inline void temp_dir_make(char *template, size_t size)
{
    memcpy(template + size - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(template));
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int kind,
                                      struct FTW *where)
{
    return remove(path);
}

static inline void temp_dir_remove(const char *path)
{
    assert_int_equal(nftw(path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
