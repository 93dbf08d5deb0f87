/* What two gates say to each other, inside TLS:
 *
 *     octets   field
 *     1        type
 *     3        length of the payload, little-endian
 *     length   payload
 *
 *     type         payload, most octets                     from
 *     1 HELLO      fields, HELLO_MOST                       who connected: "version=1 role= index= to= to_index="
 *     2 WELCOME    none                                     the other: the link stands
 *     3 REFUSED    none                                     the other: it will not; the log there says why
 *     4 DATA       octets, 1..64 KiB                        both: of the link between the roles (net/link.c)
 *     5 PING       none                                     both: are you there?
 *     6 PONG       none                                     both: yes
 *
 * Nothing here knows what the roles say: their octets go through, with backpressure, and the gate holds at most a
 * high-water mark each way.
 *
 * Is the other host still there? TCP keep-alive is not used (RFC 5383, 4.2), and short time-outs would cut links that
 * a firewall's restart interrupts for a minute. So after ping_ms without an octet one PING goes out. A host that was
 * started again answers it with a reset, which ends the link at once; one that is really gone is given up after
 * dead_ms, which is some minutes. Silence that we caused ourselves, by not reading, counts for nothing. */
#include "main/gate_link.h"

#include "base/buf.h"
#include "base/mem.h"
#include "main/control.h"
#include "net/fields.h"
#include "net/tls.h"

#include <stdlib.h>

enum frame { HELLO = 1, WELCOME, REFUSED, DATA, PING, PONG };
enum { HEADER_SIZE = 4, HELLO_MOST = 1024, DATA_MOST = 64 * 1024, VERSION = 1 };

struct gate_link {
    struct loop *loop;
    struct stream *far;
    struct stream *near; /* our role; NULL until the link stands */
    const struct gate_link_handler *handler;
    void *owner;
    struct timer *timer; /* of the handshake, then of PINGs */
    struct wish hello;
    bool is_ours; /* we connected */
    uint64_t ping_ms;
    uint64_t dead_ms;
    uint64_t heard_ms;
    bool is_far_paused;
    unsigned char header[HEADER_SIZE];
    size_t header_len;
    enum frame type;
    uint32_t left;   /* octets of the frame's payload still to come */
    struct buf body; /* of HELLO */
    struct buf out;  /* a frame of DATA in the making */
    const char *why;
    bool is_over;
};

static void on_over_later(void *owner)
{
    struct gate_link *l = owner;
    l->handler->on_over(l->owner, l, l->why);
}

void gate_link_end(struct gate_link *l, const char *why)
{
    if (l->is_over) {
        return;
    }
    l->is_over = true;
    l->why = why;
    timer_stop(l->timer);
    stream_free(&l->near);
    if (stream_has_ended(l->far)) {
        stream_free(&l->far);
    } else {
        tls_on_ready(l->far, NULL);
        stream_finish(l->loop, &l->far); /* a refusal leaves first */
    }
    loop_defer(l->loop, on_over_later, l);
}

struct stream *gate_link_get_far(const struct gate_link *l)
{
    return l->far;
}

bool gate_link_is_open(const struct gate_link *l)
{
    return l->near != NULL;
}

static void send_frame(struct gate_link *l, enum frame type, struct str payload)
{
    char header[HEADER_SIZE] = {(char)type, (char)(payload.n & 0xff), (char)(payload.n >> 8 & 0xff),
                                (char)(payload.n >> 16 & 0xff)};
    buf_clear(&l->out);
    buf_add(&l->out, str_make(header, sizeof(header)));
    buf_add(&l->out, payload);
    stream_write(l->far, buf_str(&l->out));
}

/* ---- our role ---- */

static void on_near_octets(void *owner, struct str octets)
{
    struct gate_link *l = owner;
    while (octets.n > 0) {
        struct str part = str_sub(octets, 0, DATA_MOST);
        octets = str_skip(octets, part.n);
        send_frame(l, DATA, part);
    }
    if (stream_get_queued(l->far) > STREAM_HIGH_WATER) {
        stream_pause(l->near);
    }
}

static void on_near_drained(void *owner)
{
    struct gate_link *l = owner;
    l->is_far_paused = false;
    l->heard_ms = loop_now_ms(l->loop);
    stream_resume(l->far);
}

static void on_near_end(void *owner, enum err why)
{
    (void)why;
    gate_link_end(owner, "our role is gone");
}

static const struct stream_handler NEAR = {on_near_octets, on_near_drained, on_near_end};

static void open_near(struct gate_link *l)
{
    l->near = l->handler->on_open(l->owner, l);
    if (l->near == NULL) {
        gate_link_end(l, "our role is not there");
        return;
    }
    stream_set_handler(l->near, &NEAR, l);
    timer_start(l->timer, l->ping_ms);
}

/* ---- the other gate ---- */

static void say_hello(struct gate_link *l)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(HELLO_MOST);
    fields_add_u64(&b, STR("version"), VERSION);
    fields_add(&b, STR("role"), str_from_c(control_role_name(l->hello.here)));
    fields_add_u64(&b, STR("index"), l->hello.here_index);
    fields_add(&b, STR("to"), str_from_c(control_role_name(l->hello.there)));
    fields_add_u64(&b, STR("to_index"), l->hello.there_index);
    send_frame(l, HELLO, buf_str(&b));
}

/* What the other end wants, turned round: here is we. */
static bool read_hello(struct str body, struct wish *out)
{
    struct fields f;
    if (fields_parse(body, &f) != ERR_OK) {
        return false;
    }
    uint64_t there = fields_get_u64(&f, STR("index"), CONTROL_INDEX_MOST + 1);
    uint64_t here = fields_get_u64(&f, STR("to_index"), CONTROL_INDEX_MOST + 1);
    bool is_fine = fields_get_u64(&f, STR("version"), 0) == VERSION && there <= CONTROL_INDEX_MOST
                   && here <= CONTROL_INDEX_MOST
                   && hosts_find_role(fields_get(&f, STR("role")), &out->there)
                   && hosts_find_role(fields_get(&f, STR("to")), &out->here);
    out->there_index = (unsigned)there;
    out->here_index = (unsigned)here;
    fields_release(&f);
    return is_fine;
}

static void take_hello(struct gate_link *l)
{
    struct wish w;
    if (!read_hello(buf_str(&l->body), &w)) {
        gate_link_end(l, "it does not speak as a gate does");
        return;
    }
    if (!l->handler->on_hello(l->owner, l, &w)) {
        send_frame(l, REFUSED, STR_EMPTY);
        gate_link_end(l, "refused");
        return;
    }
    send_frame(l, WELCOME, STR_EMPTY);
    open_near(l);
}

/* Is a frame of that type and length due now? */
static bool is_due(const struct gate_link *l, unsigned type, uint32_t len)
{
    bool is_open = l->near != NULL;
    switch (type) {
    case HELLO:
        return !is_open && !l->is_ours && len > 0 && len <= HELLO_MOST;
    case WELCOME:
    case REFUSED:
        return !is_open && l->is_ours && len == 0;
    case DATA:
        return is_open && len > 0 && len <= DATA_MOST;
    case PING:
    case PONG:
        return is_open && len == 0;
    default:
        return false;
    }
}

/* A frame without a payload, or the whole of HELLO. */
static void take_frame(struct gate_link *l)
{
    switch (l->type) {
    case HELLO:
        take_hello(l);
        break;
    case WELCOME:
        open_near(l);
        break;
    case REFUSED:
        gate_link_end(l, "the other host refuses; its log says why");
        break;
    case PING:
        if (stream_get_queued(l->far) <= STREAM_HIGH_WATER) {
            send_frame(l, PONG, STR_EMPTY);
        } /* else enough is on its way to tell that we are here */
        break;
    case PONG:
    case DATA:
        break;
    }
}

static void take_header(struct gate_link *l)
{
    l->header_len = 0;
    l->left = (uint32_t)l->header[1] | (uint32_t)l->header[2] << 8 | (uint32_t)l->header[3] << 16;
    if (!is_due(l, l->header[0], l->left)) {
        gate_link_end(l, "it sent what is out of turn");
        return;
    }
    l->type = (enum frame)l->header[0];
    buf_clear(&l->body);
    if (l->left == 0) {
        take_frame(l);
    }
}

static void take_payload(struct gate_link *l, struct str part)
{
    l->left -= (uint32_t)part.n;
    if (l->type == DATA) {
        stream_write(l->near, part);
        return;
    }
    buf_add(&l->body, part);
    if (l->left == 0) {
        take_frame(l);
    }
}

static void on_far_octets(void *owner, struct str octets)
{
    struct gate_link *l = owner;
    l->heard_ms = loop_now_ms(l->loop);
    while (octets.n > 0 && !l->is_over) {
        size_t most = l->left > 0 ? l->left : HEADER_SIZE - l->header_len;
        struct str part = str_sub(octets, 0, most);
        octets = str_skip(octets, part.n);
        if (l->left > 0) {
            take_payload(l, part);
            continue;
        }
        memcpy(l->header + l->header_len, part.p, part.n);
        l->header_len += part.n;
        if (l->header_len == HEADER_SIZE) {
            take_header(l);
        }
    }
    if (!l->is_over && l->near != NULL && stream_get_queued(l->near) > STREAM_HIGH_WATER) {
        l->is_far_paused = true;
        stream_pause(l->far);
    }
}

static void on_far_drained(void *owner)
{
    struct gate_link *l = owner;
    if (l->near != NULL) {
        stream_resume(l->near);
    }
}

static void on_far_end(void *owner, enum err why)
{
    gate_link_end(owner, why == ERR_OK ? "the other host ended it" : err_get_info(why)->meaning);
}

static const struct stream_handler FAR = {on_far_octets, on_far_drained, on_far_end};

static void on_far_ready(void *owner)
{
    struct gate_link *l = owner;
    if (!l->handler->on_ready(l->owner, l)) {
        gate_link_end(l, "it is not who it should be");
    } else if (l->is_ours) {
        say_hello(l);
    }
}

static void on_timer(void *owner)
{
    struct gate_link *l = owner;
    if (l->near == NULL) {
        gate_link_end(l, "it says nothing");
        return;
    }
    uint64_t silent_ms = loop_now_ms(l->loop) - l->heard_ms;
    if (!l->is_far_paused && silent_ms >= l->dead_ms) {
        gate_link_end(l, "the other host does not answer");
        return;
    }
    if (silent_ms >= l->ping_ms) {
        send_frame(l, PING, STR_EMPTY);
    }
    timer_start(l->timer, l->ping_ms);
}

struct gate_link *gate_link_new(const struct gate_link_args *a)
{
    struct gate_link *l = mem_new(sizeof(*l));
    l->loop = a->loop;
    l->far = a->far;
    l->handler = a->handler;
    l->owner = a->owner;
    l->is_ours = a->hello != NULL;
    if (l->is_ours) {
        l->hello = *a->hello;
    }
    l->ping_ms = a->ping_ms;
    l->dead_ms = a->dead_ms;
    l->heard_ms = loop_now_ms(a->loop);
    buf_init(&l->body, HELLO_MOST);
    buf_init(&l->out, DATA_MOST + HEADER_SIZE);
    l->timer = timer_new(a->loop, on_timer, l);
    timer_start(l->timer, GATE_SHAKE_MS);
    tls_on_ready(l->far, on_far_ready);
    stream_set_handler(l->far, &FAR, l);
    return l;
}

void gate_link_free(struct gate_link **l)
{
    struct gate_link *gone = *l;
    *l = NULL;
    if (gone == NULL) {
        return;
    }
    loop_cancel_deferred(gone->loop, gone);
    timer_free(&gone->timer);
    stream_free(&gone->near);
    stream_free(&gone->far);
    buf_release(&gone->body);
    buf_release(&gone->out);
    free(gone);
}
