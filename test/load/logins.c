/* People who only want to log in, while others do something else to the server; or (once=1) all the phones there are, when their network is
 * back.
 *
 * Measures from the first octet of TCP to the answer that lets one in, TLS included. At the end a line:
 *
 *     logins=600 failed=0 told_no=0 median_ms=4.1 p95_ms=9.0 most_ms=15.2
 *
 * failed: refused, hung up on, told no (which is counted by itself, too), or not in after GIVE_UP_MS. Those count in no time. */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES_MOST = 1000000, GIVE_UP_MS = 30000 };

struct logins {
    uint32_t *took_us;
    size_t count;
    unsigned failed;
    unsigned told_no; /* of these */
};

static struct logins *of(struct load *l)
{
    if (l->own == NULL) {
        struct logins *m = mem_new(sizeof(*m));
        m->took_us = calloc(SAMPLES_MOST, sizeof(*m->took_us));
        if (m->took_us == NULL) {
            abort();
        }
        l->own = m;
    }
    return l->own;
}

static void on_open(struct load *l, struct client *c)
{
    talk_start(l, c, TALK_LOGIN, c->index % l->options.users);
}

static void fail(struct load *l, const struct client *c)
{
    struct logins *m = of(l);
    m->failed++;
    if (m->failed <= 5) {
        (void)fprintf(stderr, "load: a login failed at %s: %s\n", talk_get_step(c),
                      talk_get_line(c));
    }
}

static void on_end(struct load *l, struct client *c)
{
    fail(l, c);
}

static void follow(struct load *l, struct client *c, enum talk_result r)
{
    struct logins *m = of(l);
    if (r == TALK_GOES_ON) {
        return;
    }
    if (r == TALK_FAILED) {
        struct str line = str_from_c(talk_get_line(c));
        bool is_bye = str_starts(line, STR("* BYE")) || str_starts(line, STR("421"));
        m->told_no += is_bye ? 0 : 1;
        fail(l, c);
    } else if (m->count < SAMPLES_MOST) {
        m->took_us[m->count++] = (uint32_t)(l->now_us - c->begun_us);
    }
    if (r == TALK_DONE && l->options.is_once) {
        talk_end(c);
        engine_set_at_rest(l, c);
        l->is_over = m->count >= l->options.count;
        return;
    }
    engine_close(l, c);
}

static void on_octets(struct load *l, struct client *c, struct str octets)
{
    if (c->talk != NULL) {
        follow(l, c, talk_take(l, c, octets));
    }
}

static void on_tls(struct load *l, struct client *c)
{
    follow(l, c, talk_on_tls(l, c));
}

static void on_tick(struct load *l)
{
    for (unsigned i = 0; i < l->options.count; i++) {
        struct client *c = &l->clients[i];
        if (c->fd >= 0 && c->is_at_rest == 0 && l->now_us - c->begun_us > GIVE_UP_MS * 1000ULL) {
            fail(l, c);
            engine_close(l, c);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;
    return (*x > *y) - (*x < *y);
}

static double get_ms(const struct logins *m, size_t at)
{
    return m->count == 0 ? 0 : (double)m->took_us[at < m->count ? at : m->count - 1] / 1000;
}

static void on_finish(struct load *l)
{
    struct logins *m = of(l);
    qsort(m->took_us, m->count, sizeof(*m->took_us), compare);
    (void)printf("logins=%zu failed=%u told_no=%u median_ms=%.1f p95_ms=%.1f most_ms=%.1f\n",
                 m->count, m->failed, m->told_no, get_ms(m, m->count / 2),
                 get_ms(m, m->count * 95 / 100), get_ms(m, m->count));
    free(m->took_us);
    free(m);
    l->own = NULL;
}

const struct mode MODE_LOGINS = {
    .name = "logins",
    .help = "log in and leave, and say how long that took",
    .is_reopened = true,
    .on_open = on_open,
    .on_tls = on_tls,
    .on_octets = on_octets,
    .on_end = on_end,
    .on_tick = on_tick,
    .on_finish = on_finish,
};
