#ifndef LIMETTA_LOAD_SCRAM_H
#define LIMETTA_LOAD_SCRAM_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCRAM_HASH = 32, SCRAM_SALT_MOST = 64, SCRAM_NONCE = 24 };

/* What a client may keep of a user (RFC 5802, 5.1): the costly part of a login, done once. All zeros: not known yet. */
struct scram_keys {
    bool is_known;
    uint8_t client_key[SCRAM_HASH];
    uint8_t stored_key[SCRAM_HASH];
    uint8_t salt[SCRAM_SALT_MOST];
    size_t salt_size;
    unsigned iterations;
};

/* A login under way. */
struct scram {
    char nonce[SCRAM_NONCE + 1];
};

/* Appends client-first in base64, for a user name without "," and "=". */
void scram_start(struct scram *s, struct str user, struct buf *out);
/* Appends client-final in base64; server_first is base64, too. False: it makes no sense. */
bool scram_answer(const struct scram *s, struct str user, struct str password,
                  struct str server_first, struct scram_keys *keys, struct buf *out);

#endif
