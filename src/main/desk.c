/* An operator's desk: requests come one after the other, and each is answered whole before the next is looked at.
 *
 * Who connects is root or the user whose process this is: the kernel says so (SO_PEERCRED), whatever the modes of socket and folder
 * are. A visit whose answer nobody takes is not read on, so what it holds is bounded; visits are few. An answer may come
 * much later than its request (a commit, a restart of roles): meanwhile the visit may go, and its owner hears that. */
#include "main/desk.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS_MOST = 2 };

struct desk {
    struct loop *loop;
    const char *name;
    size_t request_most;
    const struct desk_handler *handler;
    void *owner;
    struct listener *listeners[LISTENERS_MOST];
    size_t listener_count;
    struct list visits;
    size_t count;
};

struct desk_visit {
    struct list node;
    struct desk *desk;
    struct stream *stream;
    struct buf request;
    bool is_asking; /* its request is with the handler */
};

static void visit_free(struct desk_visit *v)
{
    struct desk *d = v->desk;
    list_remove(&v->node);
    d->count--;
    if (v->is_asking) {
        d->handler->on_gone(d->owner, v);
    }
    loop_cancel_deferred(d->loop, v);
    stream_free(&v->stream);
    buf_release(&v->request);
    free(v);
}

/* Hands on the next whole request, if there is one and the last answer has mostly left. */
static void ask_next(void *owner)
{
    struct desk_visit *v = owner;
    struct str all = buf_str(&v->request);
    size_t end = str_find_str(all, STR("\n\n"));
    if (v->is_asking || end == all.n || stream_get_queued(v->stream) > STREAM_HIGH_WATER) {
        return;
    }
    struct buf request = BUF_INIT(v->desk->request_most);
    buf_add(&request, str_sub(all, 0, end + 1));
    buf_consume(&v->request, end + 2);
    v->is_asking = true;
    v->desk->handler->on_request(v->desk->owner, v, buf_str(&request));
    buf_release(&request);
}

void desk_say(struct desk_visit *v, struct str blocks)
{
    stream_write(v->stream, blocks);
}

void desk_answer(struct desk_visit *v, struct str blocks)
{
    v->is_asking = false;
    stream_write(v->stream, blocks);
    loop_defer(v->desk->loop, ask_next, v);
}

static void on_octets(void *owner, struct str octets)
{
    struct desk_visit *v = owner;
    buf_add(&v->request, octets);
    if (buf_err(&v->request) != ERR_OK) {
        log_info("%s: a request of the operator is too long", v->desk->name);
        visit_free(v);
        return;
    }
    ask_next(v);
}

static void on_drained(void *owner)
{
    ask_next(owner);
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
    struct desk *d = owner;
    if (!is_allowed(fd) || d->count >= DESK_VISITS_MOST) {
        log_warn("%s: somebody else, or one too many, at the control socket", d->name);
        (void)close(fd);
        return;
    }
    struct desk_visit *v = mem_new(sizeof(*v));
    v->desk = d;
    v->request = BUF_INIT(d->request_most);
    list_append(&d->visits, &v->node);
    d->count++;
    v->stream = stream_from_fd(d->loop, fd);
    stream_set_handler(v->stream, &HANDLER, v);
}

struct desk *desk_new(struct loop *l, const char *name, size_t request_most,
                      const struct desk_handler *h, void *owner)
{
    struct desk *d = mem_new(sizeof(*d));
    d->loop = l;
    d->name = name;
    d->request_most = request_most;
    d->handler = h;
    d->owner = owner;
    list_init(&d->visits);
    return d;
}

void desk_add(struct desk *d, int fd)
{
    if (d->listener_count == LISTENERS_MOST) {
        (void)close(fd);
        return;
    }
    d->listeners[d->listener_count++] = listener_new(d->loop, fd, on_accept, d);
}

void desk_free(struct desk **d)
{
    if (*d == NULL) {
        return;
    }
    list_each_safe(node, &(*d)->visits)
    {
        visit_free(list_entry(node, struct desk_visit, node));
    }
    for (size_t i = 0; i < (*d)->listener_count; i++) {
        listener_free(&(*d)->listeners[i]);
    }
    free(*d);
    *d = NULL;
}
