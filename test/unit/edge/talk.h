#ifndef LIMETTA_TEST_TALK_H
#define LIMETTA_TEST_TALK_H

/* Conversations with a dialogue before login. */
#include "edge/dialogue.h"

#include "unit.h"

#include <stdlib.h>

struct talk {
    struct dialogue *d;
    struct buf out;
    enum dialogue_want want;
};

static const struct dialogue_args OFFERED = {.hostname = {"mail.example", 12},
                                             .tls = TLS_OFFERED,
                                             .has_certificate = true,
                                             .message_most = 1000,
                                             .recipients_most = 500,
                                             .hold_most_s = 86400,
                                             .now_s = 1700000000,
                                             .sieve = {.extensions = {"fileinto vacation", 17},
                                                       .methods = {"mailto", 6},
                                                       .redirects = {"4", 1},
                                                       .has_unauthenticate = true}};

static inline void step(struct talk *t)
{
    buf_clear(&t->out);
    do {
        t->want = dialogue_step(t->d, &t->out);
    } while (t->want == DIALOGUE_OUTPUT);
}

static inline void begin(struct talk *t, struct dialogue *(*make)(const struct dialogue_args *),
                         struct dialogue_args args)
{
    *t = (struct talk){.out = BUF_INIT(1 << 24)};
    t->d = make(&args);
    step(t);
}

static inline void end(struct talk *t)
{
    dialogue_free(&t->d);
    buf_release(&t->out);
}

/* The client says in; what comes back must be out, and then the dialogue wants want. */
static inline void say(struct talk *t, const char *in, const char *out, enum dialogue_want want)
{
    dialogue_feed(t->d, str_from_c(in));
    step(t);
    if (t->out.len != strlen(out) || (t->out.len > 0 && memcmp(t->out.p, out, t->out.len) != 0)) {
        print_error("said: %s\ngot:  %.*s\nwant: %s\n", in, STR_ARG(buf_str(&t->out)), out);
        fail();
    }
    assert_int_equal(t->want, want);
}

static inline bool has(const struct talk *t, const char *word)
{
    return str_find_str(buf_str(&t->out), str_from_c(word)) < t->out.len;
}

#endif
