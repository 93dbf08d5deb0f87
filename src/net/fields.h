#ifndef LIMETTA_NET_FIELDS_H
#define LIMETTA_NET_FIELDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Messages between roles: lines of "key=value" (docs/architecture.md lists the messages). Keys are short words of ours,
 * values any octets, percent-encoded, so a message is one readable text and no value can forge another.
 * Order does not matter; a key may come once. */
enum { FIELDS_MOST = 32, FIELDS_KEY_MOST = 32, FIELDS_OCTETS_MOST = 64 * 1024 };

/* A message that was read. Plain value: fields_release() frees it. */
struct fields {
    struct str keys[FIELDS_MOST];   /* borrow from octets */
    struct str values[FIELDS_MOST]; /* decoded, borrow from octets */
    size_t count;
    struct buf octets;
};

/* Appends one line. key: a-z, 0-9, "_", "-"; at most FIELDS_KEY_MOST. A full out shows in buf_err(). */
void fields_add(struct buf *out, struct str key, struct str value);
void fields_add_u64(struct buf *out, struct str key, uint64_t value);

/* Reads a message (copies it). f need not be initialised; on error nothing needs a release.
 * Errors: ERR_SYNTAX (also a key that comes twice), ERR_LIMIT (more than FIELDS_MOST keys or FIELDS_OCTETS_MOST). */
MUST_USE enum err fields_parse(struct str message, struct fields *f);
void fields_release(struct fields *f);

bool fields_has(const struct fields *f, struct str key);
/* Borrows the value; empty when the key is not there. */
struct str fields_get(const struct fields *f, struct str key);
/* fallback when the key is not there or not a decimal number. */
uint64_t fields_get_u64(const struct fields *f, struct str key, uint64_t fallback);

#endif
