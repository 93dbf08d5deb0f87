/* Who waits for which descriptor: one epoll set of our own, in which the process sleeps.
 *
 * libuv's own handle for a descriptor is 160 octets, its table has a place for each number up to the highest, and a handle is freed in
 * libuv's time. Of a hundred thousand connections nearly all wait for one thing, for hours. So what we keep of each is 32 octets inside its
 * owner, and the kernel keeps the rest.
 *
 * What is ready is fetched and told in batches. An owner may go amid a batch, be it his turn or not: what is left
 * of the batch then forgets him. What a batch says that nobody wants to hear any more is dropped.
 *
 * An error or a hang-up is told as whatever its owner waits for: reading or writing will say what is wrong. Who waits for nothing is not in
 * the set, for the kernel would tell him of these again and again. */
#include "base/log.h"
#include "base/mem.h"
#include "net/loop_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 256 };

struct io_batch {
    struct epoll_event at[BATCH];
    int next;
    int count;
};

static void tell(struct io *io, uint32_t ready)
{
    unsigned heard = (ready & (EPOLLERR | EPOLLHUP)) != 0 ? io->events : 0;
    heard |= (ready & EPOLLIN) != 0 ? IO_READ : 0;
    heard |= (ready & EPOLLOUT) != 0 ? IO_WRITE : 0;
    heard &= io->events;
    if (heard != 0) {
        io->fn(io->owner, heard);
    }
}

void loop_io_wait(struct loop *l, int most_ms)
{
    struct io_batch batch = {.next = 0};
    batch.count = epoll_wait(l->epoll, batch.at, BATCH, most_ms); /* -1: a signal */
    loop_look_at_clock(l);
    l->batch = &batch;
    while (batch.next < batch.count) {
        const struct epoll_event *e = &batch.at[batch.next++];
        if (e->data.ptr != NULL) {
            tell(e->data.ptr, e->events);
        }
    }
    l->batch = NULL;
}

void loop_io_init(struct loop *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) {
        log_error("no set of descriptors: %s", strerrordesc_np(errno));
        abort();
    }
}

void loop_io_release(struct loop *l)
{
    (void)close(l->epoll);
}

void io_init(struct io *io, struct loop *l, int fd, void (*fn)(void *owner, unsigned events),
             void *owner)
{
    assert(!l->is_fake);
    *io = (struct io){.loop = l, .fn = fn, .owner = owner, .fd = fd};
}

static int control(struct io *io, int operation, unsigned events)
{
    struct epoll_event e = {.data.ptr = io};
    e.events = (events & IO_READ) != 0 ? EPOLLIN : 0;
    e.events |= (events & IO_WRITE) != 0 ? EPOLLOUT : 0;
    return epoll_ctl(io->loop->epoll, operation, io->fd, &e) == 0 ? 0 : errno;
}

void io_set(struct io *io, unsigned events)
{
    if (events == io->events) {
        return;
    }
    bool was_there = io->events != 0;
    io->events = (uint8_t)events;
    if (events == 0) {
        (void)control(io, EPOLL_CTL_DEL,
                      0); /* fails when the descriptor was closed before: then it is gone, too */
        return;
    }
    int failed = control(io, was_there ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
    if (failed == ENOENT) {
        failed = control(io, EPOLL_CTL_ADD, events); /* closed, and another one has its number */
    }
    if (failed != 0) {
        log_error("cannot watch a descriptor: %s", strerrordesc_np(failed));
        abort();
    }
}

void io_release(struct io *io)
{
    if (io->loop == NULL) {
        return;
    }
    io_set(io, 0);
    struct io_batch *batch = io->loop->batch;
    for (int i = batch == NULL ? 0 : batch->next; batch != NULL && i < batch->count; i++) {
        if (batch->at[i].data.ptr == io) {
            batch->at[i].data.ptr = NULL;
        }
    }
    io->loop = NULL;
}

struct io *io_new(struct loop *l, int fd, void (*fn)(void *owner, unsigned events), void *owner)
{
    struct io *io = mem_new(sizeof(*io));
    io_init(io, l, fd, fn, owner);
    return io;
}

void io_free(struct io **io)
{
    if (*io != NULL) {
        io_release(*io);
        free(*io);
        *io = NULL;
    }
}
