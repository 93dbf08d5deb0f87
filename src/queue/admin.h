#ifndef LIMETTA_QUEUE_ADMIN_H
#define LIMETTA_QUEUE_ADMIN_H

#include "base/buf.h"
#include "queue/queue.h"

#include <stdbool.h>
#include <stdint.h>

/* The operator's requests: the same words over the running server's control socket and, when no server runs, to a queue that
 * the tool opened itself. */
struct admin {
    struct queue *queue;
    struct str hostname;
    uint64_t now_ms;
    bool (*is_busy)(void *owner,
                    uint64_t recipient_id); /* an attempt has it in its hands; NULL: nobody */
    void (*write_status)(void *owner, struct buf *out); /* adds fields to op=status; NULL: none */
    void *owner;
};

enum {
    ADMIN_REQUEST_MOST = 64 * 1024,
    ADMIN_ANSWER_MOST = 8 * 1024 * 1024,
    ADMIN_LOOK_MOST = 200, /* messages that one request looks at */
    ADMIN_IDS_MOST = 100
};

/* Answers one request (net/fields.h):
 *
 *     op=list|show|hold|release|remove|flush|status
 *     after=<id>          go on behind this message: a request looks at ADMIN_LOOK_MOST of them
 *     ids=<id id ...>     sender= recipient= domain= held=1     of which messages (hold ... flush: for remove, also of
 *                                                             which recipients)
 *     bounce=1            remove: the senders are told
 *
 * with blocks of fields, an empty line behind each: type=message and type=recipient (list, show), type=destination (status: those
 * that wait), and the last one, type=end: result=ok, next=<id to go on behind; absent at the end>, messages= (looked at and
 * meant), recipients= (changed), busy= (not changed, because an attempt has them); or result=no code=<err.def name>.
 *
 * Changes are pending: commit before the answer is handed out. */
void admin_answer(const struct admin *a, struct str request, struct buf *out);

#endif
