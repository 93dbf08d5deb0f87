#ifndef LIMETTA_TOOLS_CHECK_WIRE_H
#define LIMETTA_TOOLS_CHECK_WIRE_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/tls.h"
#include "tools/check_talk.h"

#include <stdbool.h>
#include <stdint.h>

/* The network under a conversation of the path checker: a connected socket as talk_io. Waiting runs the loop, so what happens on
 * other connections meanwhile is kept for their own turn. */
struct check_wire;

/* Takes fd, which is connected. Borrows the rest; tls: an observing context. host: the name that the certificate should be for. */
struct check_wire *check_wire_new(struct loop *l, int fd, struct tls_context *tls, struct str host);
void check_wire_free(struct check_wire **w);
extern const struct talk_io CHECK_WIRE_IO; /* its owner is a check_wire */

/* Octets that were sent and that the other end's TCP has not confirmed. */
unsigned check_wire_count_unsent(const struct check_wire *w);
/* From now on silence is measured. */
void check_wire_mark(struct check_wire *w);
/* The longest time without an octet since the mark, until now; *has_spoken: some came, *first_ms: after how long the first did. */
uint64_t check_wire_get_silence(const struct check_wire *w, bool *has_spoken, uint64_t *first_ms);
/* DER of the peer's certificate and what its check said; false: no TLS. */
bool check_wire_get_certificate(const struct check_wire *w, struct buf *der, int *verdict);
const char *check_wire_get_version(const struct check_wire *w);
/* Waits, with the loop running. */
void check_wire_wait(struct loop *l, uint64_t ms);

#endif
