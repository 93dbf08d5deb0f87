#ifndef LIMETTA_MIME_ADDRESS_H
#define LIMETTA_MIME_ADDRESS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A mailbox, or the start or end of a group, in an address list (RFC 5322, 3.4). */
struct address {
    struct str name;  /* display name, unquoted; empty: none */
    struct str route; /* obsolete source route; empty: none */
    struct str
        mailbox;     /* local part, unquoted; group name at a group start; empty at a group end */
    struct str host; /* domain; empty at group start and group end, and when the sender gave none */
    bool is_group_start;
    bool is_group_end;
};

struct address_list {
    const struct address *at;
    uint32_t count;
    bool is_present; /* the field stood in the header */
};

/* Reads an unfolded address list, tolerantly: any octets give some list. Strings and array live in a.
 * Errors: ERR_LIMIT at a's cap only. */
MUST_USE enum err address_list_parse(struct arena *a, struct str value, struct address_list *out);

#endif
