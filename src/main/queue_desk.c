/* The operator at the running queue. Requests and answers are those of queue/admin.h; a change is answered when it is committed, so a
 * request may wait for a commit. */
#include "main/queue_desk.h"

#include "base/mem.h"
#include "main/desk.h"
#include "net/fields.h"
#include "queue/admin.h"

#include <stdlib.h>

struct queue_desk {
    struct queue_desk_args args;
    struct desk *desk;
    struct list waits; /* for a commit */
};

/* An answer that is given when its change is on disk. */
struct waiting {
    struct list node;
    struct queue_wait wait;
    struct desk_visit *visit;
    struct buf answer;
};

static void waiting_free(struct waiting *w)
{
    list_remove(&w->node);
    queue_wait_cancel(&w->wait);
    buf_release(&w->answer);
    free(w);
}

static bool is_busy(void *owner, uint64_t recipient_id)
{
    return runner_has(((struct queue_desk *)owner)->args.runner, recipient_id);
}

static void write_status(void *owner, struct buf *out)
{
    static const char *const OUTCOMES[RUNNER_OUTCOMES] = {
        [RUNNER_DELIVERED] = "delivered", [RUNNER_RELAYED] = "relayed",
        [RUNNER_EXPANDED] = "expanded",   [RUNNER_DEFERRED] = "tried",
        [RUNNER_FAILED] = "failed",
    };
    struct runner_status s = runner_get_status(((struct queue_desk *)owner)->args.runner);
    fields_add_u64(out, STR("attempts"), s.local_jobs + s.remote_jobs);
    fields_add_u64(out, STR("active"), s.busy);
    for (size_t i = 0; i < RUNNER_OUTCOMES; i++) {
        fields_add_u64(out, str_from_c(OUTCOMES[i]), s.outcomes[i]);
    }
}

static void on_commit(struct queue_wait *q, enum err e)
{
    struct waiting *w = (struct waiting *)((char *)q - offsetof(struct waiting, wait));
    if (e != ERR_OK) {
        buf_clear(&w->answer);
        buf_addf(&w->answer, "type=end\nresult=no\ncode=%s\n\n", err_get_info(e)->name);
    }
    desk_answer(w->visit, buf_str(&w->answer));
    waiting_free(w);
}

static void wait_for_commit(struct queue_desk *d, struct desk_visit *v, struct buf *answer)
{
    struct waiting *w = mem_new(sizeof(*w));
    w->visit = v;
    w->answer = *answer;
    w->wait.on_commit = on_commit;
    list_init(&w->wait.node);
    list_append(&d->waits, &w->node);
    queue_wait_commit(d->args.queue, &w->wait);
}

static void on_request(void *owner, struct desk_visit *v, struct str request)
{
    struct queue_desk *d = owner;
    struct buf answer = BUF_INIT(ADMIN_ANSWER_MOST);
    struct admin admin = {d->args.queue, d->args.hostname, loop_wall_ms(d->args.loop),
                          is_busy,       write_status,     d};
    admin_answer(&admin, request, &answer);
    if (queue_has_pending(d->args.queue)) {
        wait_for_commit(d, v, &answer);
        return;
    }
    desk_answer(v, buf_str(&answer));
    buf_release(&answer);
}

static void on_gone(void *owner, struct desk_visit *v)
{
    struct queue_desk *d = owner;
    list_each_safe(node, &d->waits)
    {
        struct waiting *w = list_entry(node, struct waiting, node);
        if (w->visit == v) {
            waiting_free(w);
        }
    }
}

struct queue_desk *queue_desk_new(const struct queue_desk_args *args)
{
    static const struct desk_handler HANDLER = {on_request, on_gone};
    struct queue_desk *d = mem_new(sizeof(*d));
    d->args = *args;
    list_init(&d->waits);
    d->desk = desk_new(args->loop, "queue", ADMIN_REQUEST_MOST, &HANDLER, d);
    return d;
}

void queue_desk_add(struct queue_desk *d, int fd)
{
    desk_add(d->desk, fd);
}

void queue_desk_free(struct queue_desk **d)
{
    if (*d == NULL) {
        return;
    }
    desk_free(&(*d)->desk);
    free(*d);
    *d = NULL;
}
