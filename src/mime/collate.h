#ifndef LIMETTA_MIME_COLLATE_H
#define LIMETTA_MIME_COLLATE_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* Header text in an order that people expect: keys that compare by str_cmp() as i;unicode-casemap orders the texts (RFC 5051), with those
 * that cannot be converted behind all others, by their octets (RFC 5255, 4.6, (c)). The empty text comes first. */
struct collate {
    struct buf text;
    struct buf spaced;
};

void collate_init(struct collate *c);
void collate_release(struct collate *c);
/* value: raw, unfolded header text. Appends its key. */
void collate_write(struct collate *c, struct str value, struct buf *out);
/* value: a Subject. Appends the key of its base subject; returns whether it says that it is a reply (mime/subject.h). */
bool collate_write_subject(struct collate *c, struct str value, struct buf *out);

#endif
