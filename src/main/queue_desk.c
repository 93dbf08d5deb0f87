/* The operator at the running queue. Requests and answers are those of queue/admin.h, one after the other; a change is answered
 * when it is committed. Who connects is root or the user whose process this is: the kernel says so (SO_PEERCRED), whatever
 * the modes of socket and folder are. */
#include "main/queue_desk.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"
#include "net/stream.h"
#include "queue/admin.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MOST = 16, LISTENERS_MOST = 2 };

struct queue_desk {
    struct queue_desk_args args;
    struct listener *listeners[LISTENERS_MOST];
    size_t listener_count;
    struct list visits;
    size_t count;
};

struct visit {
    struct list node;
    struct queue_desk *desk;
    struct stream *stream;
    struct buf request;
    struct buf answer;
    struct queue_wait wait;
    bool is_waiting; /* for a commit */
};

static void visit_free(struct visit *v)
{
    list_remove(&v->node);
    v->desk->count--;
    queue_wait_cancel(&v->wait);
    loop_cancel_deferred(v->desk->args.loop, v);
    stream_free(&v->stream);
    buf_release(&v->request);
    buf_release(&v->answer);
    free(v);
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

static void answer_next(void *owner);

static void hand_out(struct visit *v)
{
    v->is_waiting = false;
    stream_write(v->stream, buf_str(&v->answer));
    buf_clear(&v->answer);
    loop_defer(v->desk->args.loop, answer_next, v);
}

static void on_commit(struct queue_wait *w, enum err e)
{
    struct visit *v = (struct visit *)((char *)w - offsetof(struct visit, wait));
    if (e != ERR_OK) {
        buf_clear(&v->answer);
        buf_addf(&v->answer, "type=end\nresult=no\ncode=%s\n\n", err_get_info(e)->name);
    }
    hand_out(v);
}

/* Answers the next whole request, if there is one and the last answer has mostly left. */
static void answer_next(void *owner)
{
    struct visit *v = owner;
    struct str all = buf_str(&v->request);
    size_t end = str_find_str(all, STR("\n\n"));
    if (v->is_waiting || end == all.n || stream_get_queued(v->stream) > STREAM_HIGH_WATER) {
        return;
    }
    struct queue_desk *d = v->desk;
    struct admin admin = {d->args.queue, d->args.hostname, loop_wall_ms(d->args.loop),
                          is_busy,       write_status,     d};
    admin_answer(&admin, str_sub(all, 0, end + 1), &v->answer);
    buf_consume(&v->request, end + 2);
    if (queue_has_pending(d->args.queue)) {
        v->is_waiting = true;
        queue_wait_commit(d->args.queue, &v->wait);
    } else {
        hand_out(v);
    }
}

static void on_octets(void *owner, struct str octets)
{
    struct visit *v = owner;
    buf_add(&v->request, octets);
    if (buf_err(&v->request) != ERR_OK) {
        log_info("queue: a request of the operator is too long");
        visit_free(v);
        return;
    }
    answer_next(v);
}

static void on_drained(void *owner)
{
    answer_next(owner);
}

static void on_end(void *owner, enum err why)
{
    visit_free(owner);
}

static bool is_allowed(int fd)
{
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t size = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0
           && (who.uid == 0 || who.uid == geteuid());
}

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    struct queue_desk *d = owner;
    if (!is_allowed(fd) || d->count >= CONNECTIONS_MOST) {
        log_warn("queue: somebody else, or one too many, at the control socket");
        (void)close(fd);
        return;
    }
    struct visit *v = mem_new(sizeof(*v));
    v->desk = d;
    v->request = BUF_INIT(ADMIN_REQUEST_MOST);
    v->answer = BUF_INIT(ADMIN_ANSWER_MOST);
    v->wait.on_commit = on_commit;
    list_init(&v->wait.node);
    list_append(&d->visits, &v->node);
    d->count++;
    v->stream = stream_from_fd(d->args.loop, fd);
    stream_set_handler(v->stream, &HANDLER, v);
}

struct queue_desk *queue_desk_new(const struct queue_desk_args *args)
{
    struct queue_desk *d = mem_new(sizeof(*d));
    d->args = *args;
    list_init(&d->visits);
    return d;
}

void queue_desk_add(struct queue_desk *d, int fd)
{
    if (d->listener_count == LISTENERS_MOST) {
        (void)close(fd);
        return;
    }
    d->listeners[d->listener_count++] = listener_new(d->args.loop, fd, on_accept, d);
}

void queue_desk_free(struct queue_desk **d)
{
    if (*d == NULL) {
        return;
    }
    list_each_safe(node, &(*d)->visits)
    {
        visit_free((struct visit *)node);
    }
    for (size_t i = 0; i < (*d)->listener_count; i++) {
        listener_free(&(*d)->listeners[i]);
    }
    free(*d);
    *d = NULL;
}
