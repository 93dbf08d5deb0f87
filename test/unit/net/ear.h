#ifndef LIMETTA_TEST_UNIT_NET_EAR_H
#define LIMETTA_TEST_UNIT_NET_EAR_H

/* A stream's user that remembers what it heard. */
#include "base/buf.h"
#include "net/stream.h"

struct ear {
    struct stream *s;
    struct buf heard;
    int drained;
    int ended;
    enum err why;
};

static void ear_on_octets(void *owner, struct str octets)
{
    struct ear *e = owner;
    buf_add(&e->heard, octets);
}

static void ear_on_drained(void *owner)
{
    struct ear *e = owner;
    e->drained++;
}

static void ear_on_end(void *owner, enum err why)
{
    struct ear *e = owner;
    e->ended++;
    e->why = why;
}

static const struct stream_handler EAR_HANDLER = {ear_on_octets, ear_on_drained, ear_on_end};

static inline void ear_put(struct ear *e, struct stream *s)
{
    *e = (struct ear){.s = s, .heard = BUF_INIT(1 << 28)};
    stream_set_handler(s, &EAR_HANDLER, e);
}

static inline void ear_release(struct ear *e)
{
    stream_free(&e->s);
    buf_release(&e->heard);
}

#endif
