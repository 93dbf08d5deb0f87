/* Fuzzes what one gate hears of another (main/gate_link.c), behind the handshake, which is left out. The first octet says which side we
 * are, whether we want who is there and what he wants, and into which pieces the rest is cut.
 *
 * Invariants: whatever comes, the link stands or is over, and says so once; octets for our role come only when it stands, and are those
 * of DATA frames; nothing waits without end; all is freed. */
#include "fuzz.h"

#include "main/gate_link.h"
#include "net/tls.h"

#include <assert.h>

enum { PING_MS = 60 * 1000, DEAD_MS = 600 * 1000 };

struct world {
    struct loop *loop;
    struct gate_link *link;
    struct stream *role;
    size_t octets; /* that our role got */
    int overs;
    int hellos;
    bool is_wanted;
    bool is_role_there;
};

static void (*ready)(void *owner); /* as gate_link_new() asked */

void __wrap_tls_on_ready(struct stream *s, void (*on_ready)(void *owner));
void __wrap_tls_on_ready(struct stream *s, void (*on_ready)(void *owner))
{
    (void)s;
    ready = on_ready;
}

static void on_role_octets(void *owner, struct str octets)
{
    struct world *w = owner;
    w->octets += octets.n;
    stream_write(w->role, octets); /* an echo */
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_role_end(void *owner, enum err why)
{
    (void)owner;
    (void)why;
}

static const struct stream_handler ROLE = {on_role_octets, on_drained, on_role_end};

static void on_far_octets(void *owner, struct str octets)
{
    (void)owner;
    (void)octets;
}

static const struct stream_handler FAR = {on_far_octets, on_drained, on_role_end};

static bool on_ready(void *owner, struct gate_link *l)
{
    struct world *w = owner;
    assert(gate_link_get_far(l) != NULL && !gate_link_is_open(l));
    return w->is_wanted;
}

static bool on_hello(void *owner, struct gate_link *l, const struct wish *wish)
{
    struct world *w = owner;
    (void)l;
    assert(++w->hellos == 1);
    assert(wish->here < ROLE_COUNT && wish->there < ROLE_COUNT);
    return w->is_wanted;
}

static struct stream *on_open(void *owner, struct gate_link *l)
{
    struct world *w = owner;
    struct stream *given = NULL;
    (void)l;
    if (!w->is_role_there) {
        return NULL;
    }
    stream_pair(w->loop, &given, &w->role);
    stream_set_handler(w->role, &ROLE, w);
    return given;
}

static void on_over(void *owner, struct gate_link *l, const char *why)
{
    struct world *w = owner;
    assert(why != NULL && l == w->link);
    w->overs++;
    gate_link_free(&w->link);
}

static const struct gate_link_handler HANDLER = {on_ready, on_hello, on_open, on_over};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wish WISH = {ROLE_EDGE, 0, ROLE_STORE, 3};
    if (size == 0) {
        return 0;
    }
    struct world w = {.loop = loop_new_fake(0),
                      .is_wanted = (data[0] & 2) == 0,
                      .is_role_there = (data[0] & 4) == 0};
    struct stream *far = NULL;
    struct stream *near = NULL;
    stream_pair(w.loop, &near, &far);
    stream_pair_set_piece(near, data[0] / 8);
    stream_set_handler(far, &FAR, &w);
    struct gate_link_args args = {.loop = w.loop,
                                  .far = near,
                                  .hello = (data[0] & 1) != 0 ? &WISH : NULL,
                                  .ping_ms = PING_MS,
                                  .dead_ms = DEAD_MS,
                                  .handler = &HANDLER,
                                  .owner = &w};
    w.link = gate_link_new(&args);
    ready(w.link);
    stream_write(far, str_make((const char *)data + 1, size - 1));
    loop_run(w.loop);
    assert(w.link != NULL || w.overs == 1);
    assert(w.octets == 0 || w.role != NULL);
    loop_advance(w.loop, PING_MS + GATE_SHAKE_MS);
    assert(w.link == NULL || gate_link_is_open(w.link)); /* who says nothing is not waited for */
    loop_advance(w.loop, DEAD_MS + 2 * PING_MS);
    assert(w.link == NULL && w.overs == 1);
    assert(w.octets < size);
    stream_free(&far);
    stream_free(&w.role);
    loop_free(&w.loop);
    return 0;
}
