/* Waiting on the loop.
 *
 * A read runs the loop until octets or an end came or the time is over; the stream's callbacks only gather and stop the loop.
 * So the checker is one straight line, on the same streams and the same TLS as the servers. */
#include "tools/check_wire.h"

#include "base/mem.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum { IN_MOST = TALK_ANSWER_MOST };

struct check_wire {
    struct loop *loop;
    struct stream *stream;
    struct tls_context *tls;
    struct str host;
    struct timer *timer;
    struct buf in;
    uint64_t heard_at_ms; /* when octets came last, or the mark */
    uint64_t marked_at_ms;
    uint64_t first_ms;    /* since the mark, until octets came; 0: none did */
    uint64_t longest_ms;  /* between octets since the mark */
    int fd;               /* the stream's; for asking the kernel only */
    enum talk_result end; /* TALK_OK: it goes on */
    bool is_tls;
    bool is_waiting;
    bool is_late;
};

static void stop_waiting(struct check_wire *w)
{
    if (w->is_waiting) {
        loop_stop(w->loop);
    }
}

static void on_octets(void *owner, struct str octets)
{
    struct check_wire *w = owner;
    buf_add(&w->in, octets);
    uint64_t now = loop_now_ms(w->loop);
    uint64_t gap_ms = now - w->heard_at_ms;
    w->longest_ms = gap_ms > w->longest_ms ? gap_ms : w->longest_ms;
    w->heard_at_ms = now;
    if (w->first_ms == 0) {
        w->first_ms = now - w->marked_at_ms;
    }
    if (w->in.is_full) {
        stream_pause(w->stream);
    }
    stop_waiting(w);
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum err why)
{
    struct check_wire *w = owner;
    if (w->end == TALK_OK) {
        bool is_handshake = why == ERR_TLS_FAILED;
        w->end = why == ERR_OK ? TALK_CLOSED : is_handshake ? TALK_NO_TLS : TALK_BROKEN;
    }
    stop_waiting(w);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static void on_time(void *owner)
{
    struct check_wire *w = owner;
    w->is_late = true;
    stop_waiting(w);
}

static void on_ready(void *owner)
{
    stop_waiting(owner);
}

struct check_wire *check_wire_new(struct loop *l, int fd, struct tls_context *tls, struct str host)
{
    struct check_wire *w = mem_new(sizeof(*w));
    check_wire_wait(l, 0); /* the loop's time stood still meanwhile */
    w->loop = l;
    w->fd = fd;
    w->tls = tls;
    w->host = host;
    buf_init(&w->in, IN_MOST);
    w->timer = timer_new(l, on_time, w);
    w->stream = stream_from_fd(l, fd);
    stream_set_handler(w->stream, &HANDLER, w);
    return w;
}

void check_wire_free(struct check_wire **w)
{
    if (*w != NULL) {
        timer_free(&(*w)->timer);
        stream_free(&(*w)->stream);
        buf_wipe(&(*w)->in);
        free(*w);
        *w = NULL;
    }
}

/* Runs the loop until something stopped the wait. */
static void wait_for_more(struct check_wire *w, uint64_t within_ms)
{
    w->is_late = false;
    w->is_waiting = true;
    timer_start(w->timer, within_ms);
    loop_run(w->loop);
    timer_stop(w->timer);
    w->is_waiting = false;
}

static enum talk_result wire_read(void *owner, uint64_t within_ms, struct buf *in)
{
    struct check_wire *w = owner;
    w->is_late = false;
    while (w->in.len == 0 && w->end == TALK_OK && !w->is_late) {
        wait_for_more(w, within_ms);
    }
    if (w->in.is_full) {
        return TALK_FOREIGN;
    }
    if (w->in.len > 0) {
        buf_add(in, buf_str(&w->in));
        buf_wipe(&w->in);
        return TALK_OK;
    }
    return w->end != TALK_OK ? w->end : TALK_SILENT;
}

static enum talk_result wire_write(void *owner, struct str octets)
{
    struct check_wire *w = owner;
    bool is_over = w->end == TALK_BROKEN || w->end == TALK_NO_TLS;
    if (is_over && w->in.len == 0) {
        return w->end;
    }
    if (is_over) {
        return TALK_OK; /* its last words are to be read first */
    }
    stream_write(w->stream, octets);
    return TALK_OK;
}

static enum talk_result wire_start_tls(void *owner, uint64_t within_ms)
{
    struct check_wire *w = owner;
    uint64_t until = loop_now_ms(w->loop) + within_ms;
    if (w->end != TALK_OK) {
        return w->end;
    }
    buf_clear(&w->in);
    w->stream = tls_client_new(w->loop, w->tls, w->stream, w->host);
    stream_set_handler(w->stream, &HANDLER, w);
    tls_on_ready(w->stream, on_ready);
    w->is_tls = true;
    w->is_late = false;
    while (!tls_is_ready(w->stream) && w->end == TALK_OK && !w->is_late) {
        uint64_t now = loop_now_ms(w->loop);
        wait_for_more(w, now < until ? until - now : 0);
    }
    if (tls_is_ready(w->stream)) {
        return TALK_OK;
    }
    return w->end != TALK_OK ? w->end : TALK_SILENT;
}

static uint64_t wire_now(void *owner)
{
    const struct check_wire *w = owner;
    return loop_now_ms(w->loop);
}

const struct talk_io CHECK_WIRE_IO = {wire_read, wire_write, wire_start_tls, wire_now};

unsigned check_wire_count_unsent(const struct check_wire *w)
{
    int n = 0;
    return ioctl(w->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (unsigned)n : 0;
}

void check_wire_mark(struct check_wire *w)
{
    w->marked_at_ms = w->heard_at_ms = loop_now_ms(w->loop);
    w->first_ms = w->longest_ms = 0;
}

uint64_t check_wire_get_silence(const struct check_wire *w, bool *has_spoken, uint64_t *first_ms)
{
    uint64_t last_ms = loop_now_ms(w->loop) - w->heard_at_ms;
    *has_spoken = w->first_ms > 0;
    *first_ms = w->first_ms;
    return last_ms > w->longest_ms ? last_ms : w->longest_ms;
}

bool check_wire_get_certificate(const struct check_wire *w, struct buf *der, int *verdict)
{
    if (!w->is_tls || !tls_is_ready(w->stream)) {
        return false;
    }
    *verdict = tls_get_verdict(w->stream);
    return tls_get_peer_certificate(w->stream, der);
}

const char *check_wire_get_version(const struct check_wire *w)
{
    return w->is_tls ? tls_get_version(w->stream) : "";
}

static void on_wait_over(void *owner)
{
    loop_stop(owner);
}

void check_wire_wait(struct loop *l, uint64_t ms)
{
    struct timer *t = timer_new(l, on_wait_over, l);
    timer_start(t, ms);
    loop_run(l);
    timer_free(&t);
}
