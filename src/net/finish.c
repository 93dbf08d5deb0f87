/* The end of a conversation: say the last words, hear the peer out, let go.
 *
 * Closing a socket that still has octets to send, or unread ones, loses the last reply (the kernel answers unread data
 * with a reset). So a stream that is done is handed over to a finisher: it ends our side, throws away what still
 * comes, and frees the stream when the peer is done and everything was taken, or when nothing moves for too long.
 *
 * Nobody else counts these streams any more, so a crowd that is turned away and does not leave would use up all
 * descriptors: at STREAM_FINISHERS_MOST the one that was given the most time goes at once. And who goes on talking is heard for
 * HEARD_MOST octets, and not for ever. */
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/stream.h"

#include <stdlib.h>

/* Looks without progress: a minute for a peer that has everything, TCP's own patience for one that is out of reach. Octets that the
 * kernel took count, too: it gives up on a socket that nobody holds after two minutes. */
enum {
    LOOK_AGAIN_MS = 500,
    LOOKS_MOST = 120,
    HEARD_MOST = 4 * 1024 * 1024,
    LOOKS_WHILE_OWED_MOST = STREAM_PATIENCE_MS / LOOK_AGAIN_MS
};

struct finisher {
    struct list node;
    struct loop *loop;
    struct stream *stream;
    struct timer *timer;
    bool is_peer_done;
    int looks;
    size_t heard; /* octets, thrown away */
    size_t owed;  /* at the last look */
};

static void done(struct finisher *f)
{
    list_remove(&f->node);
    f->loop->finisher_count--;
    timer_free(&f->timer);
    stream_free(&f->stream);
    free(f);
}

static void on_octets(void *owner, struct str octets)
{
    struct finisher *f = owner;
    f->heard += octets.n;
    if (f->heard > HEARD_MOST) {
        done(f);
    }
}

static void look(struct finisher *f)
{
    if (f->is_peer_done && stream_get_owed(f->stream) == 0) {
        done(f);
    }
}

static void on_drained(void *owner)
{
    look(owner);
}

static void on_end(void *owner, enum err why)
{
    struct finisher *f = owner;
    if (why != ERR_OK) {
        done(f);
        return;
    }
    f->is_peer_done = true;
    look(f);
}

static void on_timer(void *owner)
{
    struct finisher *f = owner;
    size_t owed = stream_get_owed(f->stream);
    f->looks = owed == f->owed ? f->looks + 1 : 0;
    f->owed = owed;
    if (f->looks >= (owed > 0 ? LOOKS_WHILE_OWED_MOST : LOOKS_MOST)) {
        done(f);
        return;
    }
    timer_start(f->timer, LOOK_AGAIN_MS);
    look(f);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

void stream_finish(struct loop *l, struct stream **s)
{
    if (l->finisher_count >= STREAM_FINISHERS_MOST) {
        done(list_entry(l->finishers.next, struct finisher, node));
    }
    struct finisher *f = mem_new(sizeof(*f));
    f->loop = l;
    l->finisher_count++;
    list_append(&l->finishers, &f->node);
    f->stream = *s;
    *s = NULL;
    f->timer = timer_new(l, on_timer, f);
    timer_start(f->timer, LOOK_AGAIN_MS);
    stream_resume(f->stream);
    stream_shutdown(f->stream);
    stream_set_handler(f->stream, &HANDLER, f);
    if (stream_has_ended(f->stream)) {
        f->is_peer_done = true;
        look(f);
    }
}

void finish_all(struct loop *l)
{
    while (!list_is_empty(&l->finishers)) {
        done(list_entry(l->finishers.next, struct finisher, node));
    }
}
