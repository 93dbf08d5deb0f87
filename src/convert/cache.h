#ifndef LIMETTA_CONVERT_CACHE_H
#define LIMETTA_CONVERT_CACHE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* Results of conversions, of one worker, in memory. The octets that were not asked for longest go first; the size and a digest
 * of what was told stay, so that a conversion done again is known to have given the same (RFC 5259, 8.3). */
struct convert_cache;

/* What a conversion gave: its octets, or why there are none. Counted. */
struct convert_result {
    unsigned refs;
    enum err
        err; /* ERR_OK: octets; else why not: a permanent failure, never that something is down */
    const char *why; /* static text, for people; NULL when err is ERR_OK */
    struct buf octets;
    uint64_t lines; /* line ends in octets */
    size_t *held;   /* the sum that its octets are part of while it lives; borrowed; NULL: none */
};

/* octets_most: of all results in it. */
struct convert_cache *convert_cache_new(size_t octets_most);
void convert_cache_free(struct convert_cache **c);
/* A counted result, or NULL. */
struct convert_result *convert_cache_find(struct convert_cache *c, struct str key);
/* Keeps another reference to r. Errors: ERR_MODIFIED when the same conversion gave something else before. */
MUST_USE enum err convert_cache_put(struct convert_cache *c, struct str key,
                                    struct convert_result *r);

/* Copies octets. The caller holds the one reference. */
struct convert_result *convert_result_new(enum err e, const char *why, struct str octets);
struct convert_result *convert_result_ref(struct convert_result *r);
void convert_result_unref(struct convert_result **r);

#endif
