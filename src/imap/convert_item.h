#ifndef LIMETTA_IMAP_CONVERT_ITEM_H
#define LIMETTA_IMAP_CONVERT_ITEM_H

#include "base/arena.h"
#include "base/buf.h"
#include "convert/service.h"
#include "mime/shape.h"
#include "store/store.h"
#include "wire/imap_convert.h"

#include <stdbool.h>

/* What CONVERT makes of one part of a message (RFC 5259): which conversion is meant, why it cannot be done, and how both are
 * said. */
struct convert_wish {
    struct convert_service *service;
    bool is_default; /* NIL */
    struct str target;
    struct convert_params params;
};

struct convert_item {
    const struct convert_wish *wish;
    const struct part *part; /* NULL: the message has no such part, or it is the message itself */
    struct str from;         /* "text/html", in lower case; empty: there is no such part */
    bool has_pair;
    struct convert_pair pair; /* when has_pair */
    struct convert_settings settings;
    /* why it cannot be done; NULL: it can */
    const char *why;
    unsigned bad;      /* the parameters at fault, a bit for each place */
    bool is_missing;   /* MISSINGPARAMETERS: charset */
    bool is_temporary; /* TEMPFAIL */
};

/* Everything is borrowed, or lives in a. */
void convert_item_find(const struct convert_wish *wish, const struct shape *shape,
                       const struct section *section, struct arena *a, struct convert_item *out);
/* For BODY[...HEADER] and BODY[...MIME], which know the default conversion with a charset only. */
void convert_item_find_header(const struct convert_wish *wish, struct convert_item *out);
/* The conversion was tried and gave e. */
void convert_item_fail(struct convert_item *item, enum err e, const char *why);
/* "(ERROR "text" BADPARAMETERS ...)" (converterror-phrase). Appends. */
void convert_item_write_error(struct buf *out, const struct convert_item *item);
/* The part as it is after its conversion (RFC 5259, 8.2). Appends. */
void convert_item_write_structure(struct buf *out, const struct convert_item *item,
                                  const struct convert_result *r, struct arena *a);
/* "(("image/png" "image/jpeg"))", or an error (RFC 5259, 8.4). Appends; false: it was an error. */
bool convert_item_write_available(struct buf *out, struct convert_item *item);

/* The octets of a part without its transfer encoding. */
struct convert_source;

/* Errors: ERR_UNKNOWN_CTE, ERR_NO_MESSAGE, ERR_IO, ERR_CORRUPT. */
MUST_USE enum err convert_source_new(struct account *a, uint64_t body_id, const struct part *part,
                                     struct convert_source **out);
void convert_source_free(struct convert_source **s);
/* The next octets, maybe none; *is_last: there are no more. Borrowed until the next call. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err convert_source_read(struct convert_source *s, struct str *out, bool *is_last);
/* Appends the header that BODY[n.HEADER] or BODY[n.MIME] names. Errors: ERR_NO_PART, ERR_LIMIT (out's cap), ERR_NO_MESSAGE,
 * ERR_IO, ERR_CORRUPT. */
MUST_USE enum err convert_source_read_header(struct account *a, uint64_t body_id,
                                             const struct shape *shape,
                                             const struct section *section, struct buf *out);

#endif
