#ifndef LIMETTA_CONVERT_ZIP_H
#define LIMETTA_CONVERT_ZIP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* Files in a zip archive (APPNOTE 6.3), read only: stored or deflated, no encryption, no zip64. Everything in the archive is
 * checked as if hostile. */
struct zip {
    struct str octets;
    size_t at; /* of the central directory */
    unsigned count;
};

struct zip_entry {
    struct str name;
    unsigned method; /* 0: stored, 8: deflated */
    struct str packed;
};

enum { ZIP_ENTRIES_MOST = 10000 };

/* Borrows octets. Errors: ERR_SYNTAX. */
MUST_USE enum err zip_open(struct str octets, struct zip *out);
/* The entry called name. Errors: ERR_NOT_FOUND, ERR_SYNTAX. */
MUST_USE enum err zip_find(const struct zip *z, struct str name, struct zip_entry *out);
/* Appends its octets. Errors: ERR_SYNTAX, ERR_LIMIT (out's cap, which is what stops a bomb). */
MUST_USE enum err zip_read(const struct zip_entry *e, struct buf *out);

#endif
