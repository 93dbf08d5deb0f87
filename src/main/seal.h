#ifndef LIMETTA_MAIN_SEAL_H
#define LIMETTA_MAIN_SEAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Seals what somebody else is to keep for us: he can neither read nor alter it, nor give it back under another label. */
struct seal;

enum { SEAL_KEY_SIZE = 32, SEAL_OVERHEAD = 41 };

/* hex_key: SEAL_KEY_SIZE octets in hexadecimal. Errors: ERR_SYNTAX, ERR_IO (OpenSSL failed). */
MUST_USE enum err seal_new(struct str hex_key, struct seal **out);
void seal_free(struct seal **s);

/* For what: each part at most 255 octets. */
struct seal_label {
    struct str service;
    struct str edge;    /* who keeps it */
    struct str session; /* of that edge's */
};

/* Appends the sealed octets: SEAL_OVERHEAD more than plain. Errors: ERR_LIMIT (out is full), ERR_IO. */
MUST_USE enum err seal_close(struct seal *s, const struct seal_label *label, struct str plain,
                             struct buf *out);
/* Appends the plain octets. Errors: ERR_TICKET (not sealed here, or not with this label), ERR_LIMIT, ERR_IO. */
MUST_USE enum err seal_open(struct seal *s, const struct seal_label *label, struct str sealed,
                            struct buf *out);

#endif
