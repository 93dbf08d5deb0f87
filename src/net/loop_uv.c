/* The real back end: turns, time and listening sockets of our own (descriptors: loop_io.c), signals and worker threads over libuv.
 *
 *     timers -> turn (loop.c) -> sleep, until a descriptor is ready or a timer is due -> tell descriptors -> timers ...
 *
 * A short command wakes each process once, so what a turn costs besides is what many short commands cost: one system call to sleep.
 * When a turn has more to do than fits, the sleep is only a look. libuv is a guest: its descriptor is one among ours, and it is run
 * when that is ready, or when it was given something that it has yet to register there (is_uv_due).
 *
 * libuv closes handles in its own time, so their memory is freed in its close callback, not in x_free(). */
#include "base/log.h"
#include "base/mem.h"
#include "net/loop_priv.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ACCEPTS_MOST = 64, ACCEPT_RETRY_MS = 100, ACCEPT_LOG_MS = 10 * 1000 };

struct fd_watch {
    struct io *io;
    void (*fn)(void *owner);
    void *owner;
};

struct signal_watch {
    uv_signal_t handle; /* first: freed as the handle */
    struct loop *loop;
    void (*fn)(void *owner);
    void *owner;
};

struct listener {
    struct loop *loop;
    struct io *io;
    struct timer *retry;
    int fd;
    bool is_paused;
    uint64_t logged_ms; /* that descriptors ran out; 0: never */
    void (*on_accept)(void *owner, int fd, const struct sockaddr_storage *peer);
    bool (*on_exhausted)(void *owner);
    void *owner;
};

struct work {
    uv_work_t request; /* first: freed as the request */
    void (*work)(void *owner);
    void (*done)(void *owner);
    void *owner;
};

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void loop_look_at_clock(struct loop *l)
{
    l->now_ms = uv_hrtime() / 1000000;
}

static void on_uv(void *owner, unsigned events)
{
    struct loop *l = owner;
    (void)events;
    l->is_uv_due = false;
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_uv_init(struct loop *l)
{
    int failed = uv_loop_init(&l->uv);
    if (failed != 0) {
        log_error("no event loop: %s", uv_strerror(failed));
        abort();
    }
    loop_look_at_clock(l);
    loop_io_init(l);
    io_init(&l->uv_io, l, uv_backend_fd(&l->uv), on_uv, l);
    io_set(&l->uv_io, IO_READ);
}

void loop_uv_release(struct loop *l)
{
    io_release(&l->uv_io);
    loop_io_release(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&l->uv);
    assert(busy == 0);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

uint64_t loop_clock_us(const struct loop *l)
{
    return l->is_fake ? l->now_ms * 1000 : uv_hrtime() / 1000;
}

uint64_t loop_wall_ms(const struct loop *l)
{
    struct timespec now;
    if (l->is_fake) {
        return l->wall_ms + l->now_ms;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void run_fake(struct loop *l)
{
    uint64_t due = 0;
    do {
        while (!l->is_stopped && !loop_finish_turn(l)) {
            ;
        }
        timers_fire(l, l->now_ms);
    } while (!l->is_stopped
             && (!loop_finish_turn(l) || (timers_next(l, &due) && due <= l->now_ms)));
}

/* How long there is nothing to do by the clock; -1: for ever. */
static int get_sleep_ms(const struct loop *l)
{
    uint64_t due = 0;
    if (!timers_next(l, &due)) {
        return -1;
    }
    uint64_t ms = due > l->now_ms ? due - l->now_ms : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void run_real(struct loop *l)
{
    loop_look_at_clock(l);
    while (!l->is_stopped) {
        timers_fire(l, l->now_ms);
        bool is_quiet = loop_finish_turn(l);
        if (l->is_uv_due) {
            on_uv(l, 0);
            is_quiet = false; /* what it told may have more to do */
        }
        if (!l->is_stopped) {
            loop_io_wait(l, is_quiet ? get_sleep_ms(l) : 0);
        }
    }
}

void loop_run(struct loop *l)
{
    l->is_stopped = false;
    if (l->is_fake) {
        run_fake(l);
    } else {
        run_real(l);
    }
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
}

void loop_advance(struct loop *l, uint64_t ms)
{
    uint64_t due = 0;
    uint64_t end = l->now_ms + ms;
    assert(l->is_fake);
    loop_run(l);
    while (!l->is_stopped && timers_next(l, &due) && due <= end) {
        l->now_ms = due > l->now_ms ? due : l->now_ms;
        loop_run(l);
    }
    if (!l->is_stopped) {
        l->now_ms = end;
    }
}

/* Who takes what waits until nothing is left must not wait himself. */
static void set_nonblocking(int fd)
{
    int on = 1;
    (void)ioctl(fd, FIONBIO, &on);
}

static void on_watch(void *owner, unsigned events)
{
    struct fd_watch *w = owner;
    (void)events;
    io_set(w->io, IO_READ);
    w->fn(w->owner);
}

struct fd_watch *fd_watch_new(struct loop *l, int fd, void (*fn)(void *owner), void *owner)
{
    struct fd_watch *w = mem_new(sizeof(*w));
    w->fn = fn;
    w->owner = owner;
    set_nonblocking(fd);
    w->io = io_new(l, fd, on_watch, w);
    io_set(w->io, IO_READ);
    return w;
}

void fd_watch_free(struct fd_watch **w)
{
    if (*w != NULL) {
        io_free(&(*w)->io);
        free(*w);
        *w = NULL;
    }
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *w = (struct signal_watch *)handle;
    (void)signum;
    w->fn(w->owner);
}

struct signal_watch *signal_watch_new(struct loop *l, int signum, void (*fn)(void *owner),
                                      void *owner)
{
    struct signal_watch *w = mem_new(sizeof(*w));
    assert(!l->is_fake);
    w->loop = l;
    w->fn = fn;
    w->owner = owner;
    int failed = uv_signal_init(&l->uv, &w->handle);
    failed |= uv_signal_start(&w->handle, on_signal, signum);
    assert(failed == 0);
    l->is_uv_due = true;
    return w;
}

void signal_watch_free(struct signal_watch **w)
{
    if (*w != NULL) {
        struct loop *l = (*w)->loop;
        uv_signal_stop(&(*w)->handle);
        l->is_uv_due = true;
        uv_close((uv_handle_t *)&(*w)->handle, free_handle);
        *w = NULL;
    }
}

static void on_work(uv_work_t *request)
{
    struct work *w = (struct work *)request;
    w->work(w->owner);
}

static void on_work_done(uv_work_t *request, int status)
{
    struct work *w = (struct work *)request;
    (void)status;
    w->done(w->owner);
    free(w);
}

void loop_work(struct loop *l, void (*work)(void *owner), void (*done)(void *owner), void *owner)
{
    if (l->is_fake) {
        work(owner);
        loop_defer(l, done, owner);
        return;
    }
    struct work *w = mem_new(sizeof(*w));
    w->work = work;
    w->done = done;
    w->owner = owner;
    int failed = uv_queue_work(&l->uv, &w->request, on_work, on_work_done);
    assert(failed == 0);
    l->is_uv_due = true;
}

static bool is_out_of_descriptors(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

/* The connection stays in the queue and the socket readable: without a pause we would spin. */
static void wait_for_descriptors(struct listener *s)
{
    uint64_t now_ms = loop_now_ms(s->loop);
    if (s->logged_ms == 0 || now_ms - s->logged_ms >= ACCEPT_LOG_MS) {
        s->logged_ms = now_ms;
        log_warn("cannot accept: %s", uv_strerror(uv_translate_sys_error(errno)));
    }
    if (s->on_exhausted == NULL || !s->on_exhausted(s->owner)) {
        io_set(s->io, 0);
        timer_start(s->retry, ACCEPT_RETRY_MS);
    }
}

/* Takes the connections that wait, a bounded number of them: live connections have their turn, too. */
static void on_acceptable(void *owner, unsigned events)
{
    struct listener *s = owner;
    (void)events;
    for (int i = 0; i < ACCEPTS_MOST && !s->is_paused; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_out_of_descriptors(errno)) {
            wait_for_descriptors(s);
            return;
        }
        if (fd < 0) {
            break; /* none waits, or it went away meanwhile */
        }
        s->on_accept(s->owner, fd, &peer);
    }
    io_set(s->io, s->is_paused ? 0 : IO_READ);
}

static void on_accept_retry(void *owner)
{
    struct listener *s = owner;
    io_set(s->io, s->is_paused ? 0 : IO_READ);
}

struct listener *listener_new(struct loop *l, int fd,
                              void (*on_accept)(void *owner, int fd,
                                                const struct sockaddr_storage *peer),
                              void *owner)
{
    struct listener *s = mem_new(sizeof(*s));
    s->loop = l;
    s->fd = fd;
    s->on_accept = on_accept;
    s->owner = owner;
    s->retry = timer_new(l, on_accept_retry, s);
    set_nonblocking(fd);
    s->io = io_new(l, fd, on_acceptable, s);
    io_set(s->io, IO_READ);
    return s;
}

void listener_on_exhausted(struct listener *s, bool (*fn)(void *owner))
{
    s->on_exhausted = fn;
}

void listener_pause(struct listener *s)
{
    s->is_paused = true;
    timer_stop(s->retry);
    io_set(s->io, 0);
}

void listener_resume(struct listener *s)
{
    s->is_paused = false;
    io_set(s->io, IO_READ);
}

void listener_free(struct listener **s)
{
    if (*s != NULL) {
        io_free(&(*s)->io);
        timer_free(&(*s)->retry);
        (void)close((*s)->fd);
        free(*s);
        *s = NULL;
    }
}
