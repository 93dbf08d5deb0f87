#ifndef LIMETTA_TEST_CLIENT_MODEL_H
#define LIMETTA_TEST_CLIENT_MODEL_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a client believes of its mailbox from what the server said (RFC 3501, 5.2 and 7.3): how many messages there are. Every
 * conversation and every fuzzed session is held against it: EXISTS never shrinks, nobody speaks of a number that is not
 * there. All zero at the start. */
struct client_model {
    bool is_known;    /* a mailbox is selected and its EXISTS was heard */
    bool is_uid_only; /* UIDONLY is enabled (RFC 9586): no numbers, but UIDFETCH */
    uint64_t count;   /* messages */
};

/* Hears one response: a line with its literals, without its line end. false: the server contradicts itself. */
bool client_model_hear(struct client_model *m, struct str line);
/* Takes the first response off *said; false when none is complete. */
bool client_model_split(struct str *said, struct str *line);

#endif
