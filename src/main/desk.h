#ifndef LIMETTA_MAIN_DESK_H
#define LIMETTA_MAIN_DESK_H

#include "base/str.h"
#include "net/loop.h"

#include <stddef.h>

/* Where tools of this host speak to a running process: a Unix socket in the state folder. Requests and answers are blocks of
 * net/fields.h, an empty line behind each; the last block of an answer says type=end. tools/desk_link.h is the other side. */
struct desk;
/* One request under way. */
struct desk_visit;

enum { DESK_VISITS_MOST = 16, DESK_ANSWER_MOST = 8 * 1024 * 1024 };

struct desk_handler {
    /* A whole block. Answer with desk_answer(), now or later; the next request of the same visit waits for it. */
    void (*on_request)(void *owner, struct desk_visit *v, struct str request);
    /* Who asked did not wait for the answer: forget v. */
    void (*on_gone)(void *owner, struct desk_visit *v);
};

/* name: of the desk, for the log; static. request_most: octets of a request. Borrows h. */
struct desk *desk_new(struct loop *l, const char *name, size_t request_most,
                      const struct desk_handler *h, void *owner);
/* A listening Unix socket; taken. Who connects must be root or the user whose process this is. */
void desk_add(struct desk *d, int fd);
void desk_free(struct desk **d);
/* Some blocks of an answer that goes on. */
void desk_say(struct desk_visit *v, struct str blocks);
/* The last blocks of an answer. */
void desk_answer(struct desk_visit *v, struct str blocks);

#endif
