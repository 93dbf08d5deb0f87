#ifndef LIMETTA_MAIN_WEBHOOK_H
#define LIMETTA_MAIN_WEBHOOK_H

#include "base/err.h"
#include "base/str.h"
#include "net/fields.h"
#include "net/loop.h"

#include <stdint.h>

/* Posts what scripts notify (RFC 5435) to web hooks, for store workers, which have no sockets. Nothing is kept here: who asks tries again.
 *
 * Request: op=post url=<https URL> body=<JSON>. Reply: result=ok (2xx), result=failed (the URL is not allowed, or an answer that will not
 * change) or result=later. */
struct webhooks;

struct webhooks_args {
    struct loop *loop;
    struct str list;    /* wire/webhook.h; borrowed for its life, as is the next */
    struct str anchors; /* PEM: what is trusted; empty: the system's */
};

/* Whoever asked, and how to answer. */
struct webhook_asker {
    void *peer;
    void (*reply)(void *peer, uint32_t id, struct str body);
};

/* Errors: ERR_IO. */
MUST_USE enum err webhooks_new(const struct webhooks_args *args, struct webhooks **out);
void webhooks_free(struct webhooks **w);
/* Answers once, maybe from inside this call, unless the peer is forgotten. */
void webhooks_post(struct webhooks *w, const struct webhook_asker *asker, uint32_t id,
                   const struct fields *f);
/* The peer is gone: its calls end, and are not answered. */
void webhooks_forget(struct webhooks *w, const void *peer);

/* What is told of an answer with this HTTP status: "ok", "failed" or "later"; static. */
const char *webhook_classify(unsigned status);

#endif
