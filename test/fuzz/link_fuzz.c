/* Fuzzes net/link from the peer's side: octets as they would come off the socket, in pieces, against a role that takes
 * sessions and answers requests. Whatever comes, a session is never given more than its window, hears its end at most
 * once, and everything is gone when the link is freed. */
#include "fuzz.h"

#include "net/link.h"

#include <assert.h>
#include <stdbool.h>

enum { SESSIONS_MOST = 16 };

struct heard {
    struct stream *s;
    size_t octets;
    bool is_over;
};

struct world {
    struct link *link;
    struct heard sessions[SESSIONS_MOST];
    size_t count;
    int downs;
};

static void on_octets(void *owner, struct str octets)
{
    struct heard *h = owner;
    assert(octets.n > 0 && !h->is_over);
    h->octets += octets.n;
    stream_write(h->s, octets); /* an echo, so that credit flows both ways */
    if (h->octets % 3 == 0) {
        stream_pause(h->s);
    }
    if (h->octets % 5 == 0) {
        stream_shutdown(h->s);
    }
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum err why)
{
    struct heard *h = owner;
    assert(!h->is_over || why != ERR_OK);
    h->is_over = true;
}

static void on_mark(void *owner, uint8_t mark)
{
    struct heard *h = owner;
    assert(!h->is_over);
    stream_mark(h->s, mark);
}

static const struct stream_handler SESSION = {on_octets, on_drained, on_end};

static void on_save(void *owner, const struct link_save *save)
{
    struct heard *h = owner;
    assert(!h->is_over && save->state.n <= LINK_STATE_MOST);
}

static void on_parked(void *owner)
{
    struct heard *h = owner;
    assert(!h->is_over);
    h->is_over = true;
    (void)link_keep(&h->s, h);
}

static const struct link_keeper KEEPER = {on_save, on_parked};

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct world *w = owner;
    (void)l;
    if (w->count == SESSIONS_MOST || head.n == 0) {
        stream_free(&s);
        return;
    }
    w->sessions[w->count].s = s;
    stream_set_handler(s, &SESSION, &w->sessions[w->count++]);
    stream_on_mark(s, on_mark);
    link_set_keeper(s, &KEEPER);
}

/* The session is ours, so that the peer can save and park it. */
static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    struct world *w = owner;
    on_open(owner, l, head, link_resume(l, head, state));
    link_wake(l, id);
    (void)link_keep_again(l, head, state, w);
}

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    assert(state.n <= LINK_STATE_MOST);
    on_open(owner, l, head, s);
}

static void on_forget(void *owner, struct link *l, uint32_t id)
{
    (void)owner;
    link_wake(l, id);
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    (void)owner;
    (void)l;
    assert(whose != NULL);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    (void)owner;
    link_reply(l, id, body);
}

static void on_down(void *owner, struct link *l)
{
    struct world *w = owner;
    (void)l;
    w->downs++;
}

static const struct link_handler HANDLER = {
    .on_open = on_open,
    .on_request = on_request,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
    .on_wake = on_wake,
};

static void on_raw(void *owner, struct str octets)
{
    (void)owner;
    (void)octets;
}

static void on_raw_end(void *owner, enum err why)
{
    (void)owner;
    (void)why;
}

static const struct stream_handler RAW = {on_raw, on_drained, on_raw_end};

static void resume_all(struct world *w, struct loop *loop)
{
    for (int i = 0; i < 2; i++) {
        loop_run(loop);
        for (size_t n = 0; n < w->count; n++) {
            if (w->sessions[n].s != NULL) {
                stream_resume(w->sessions[n].s);
            }
        }
    }
    loop_run(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.count = 0};
    struct loop *loop = loop_new_fake(0);
    struct stream *raw = NULL;
    struct stream *under = NULL;
    stream_pair(loop, &raw, &under);
    stream_pair_set_piece(under, size > 0 ? 1 + data[0] % 64 : 1);
    stream_set_handler(raw, &RAW, NULL);
    w.link = link_new(loop, under, ROLE_EDGE, 0, &HANDLER, &w);
    if (size > 1) {
        stream_write(raw, str_make((const char *)data + 1, size - 1));
    }
    resume_all(&w, loop);
    assert(w.downs <= 1);
    stream_free(&raw);
    resume_all(&w,
               loop); /* an orderly end waits behind octets that a paused session did not take */
    assert(w.downs == 1);
    link_free(&w.link);
    for (size_t i = 0; i < w.count; i++) {
        assert(w.sessions[i].is_over);
        stream_free(&w.sessions[i].s);
    }
    loop_free(&loop);
    return 0;
}
