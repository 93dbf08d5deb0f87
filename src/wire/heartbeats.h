#ifndef LIMETTA_WIRE_HEARTBEATS_H
#define LIMETTA_WIRE_HEARTBEATS_H

#include "base/arena.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Who is to hear that the server is still here more often than others (docs/dormancy.md): settings that name users, or clients by
 * what they say of themselves with ID (RFC 2971). */

enum {
    HEARTBEAT_LEAST_S = 60,
    HEARTBEAT_MOST_S = 65534,
    HEARTBEAT_NONE = 65535 /* in place of seconds: a client was heard that is not to have any */
};

/* Takes the next "who:seconds" off a list of words. who borrows; s: 0 when the word is none, or is out of bounds. False: the list is
 * over. */
bool heartbeats_next(struct str *list, struct str *who, uint64_t *s);

/* What a client says of itself. Borrows from the command or its arena; empty: it does not say. */
struct imap_id {
    struct str name;
    struct str version;
};

enum { IMAP_ID_FIELDS_MOST = 30, IMAP_ID_VALUE_MOST = 1024 };

/* id_params_list (RFC 2971, 4): NIL, or fields and values, the first of each name counts. */
void scan_id_params(struct scan *c, struct arena *a, struct imap_id *out);

/* How often a client is to hear something, by list, whose words are "name:seconds" or "name/version:seconds", in name and version "*"
 * for any octets and "?" for any one; letters compare without case. The first that fits counts. HEARTBEAT_NONE: none fits; 0: the
 * list is empty. */
uint16_t heartbeats_find_client(struct str list, const struct imap_id *id);

#endif
