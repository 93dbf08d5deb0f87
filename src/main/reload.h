#ifndef LIMETTA_MAIN_RELOAD_H
#define LIMETTA_MAIN_RELOAD_H

#include "base/buf.h"
#include "main/config.h"
#include "main/state.h"

/* Reading configuration and certificate again while the server runs. */
struct reload {
    struct config *
        config; /* what counts from now on: new values, and the old ones of what needs a restart of everything */
    struct buf tls_cert;
    struct buf tls_key;
    bool is_certificate_new;
};

/* Reads and checks all of it, changes nothing. path: NULL: only defaults. now: what runs; may be NULL (a tool looks beforehand).
 * report: what differs from now, as blocks: type=setting name= takes=now|roles|all roles=<names>; type=certificate
 * until=<Unix time>. Returns an exit code after one clear line on standard error; on EXIT_FINE reload_release() is due. */
int reload_read(const char *path, const struct config *now, const struct state *s,
                struct reload *out, struct buf *report);
void reload_release(struct reload *r);

#endif
