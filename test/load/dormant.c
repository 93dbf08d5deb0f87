/* Phones that sleep: log in, select, IDLE, and then only listen.
 *
 * Once a second a line says how it stands:
 *
 *     at_rest=5000 opened=5001 failed=0 lost=0 news=3 expected=15 heard=15 alive=0 opaque=0 in=123456
 *
 * failed: never came to rest; lost: hung up on afterwards, which must not happen; news: messages that were appended; expected: how
 * often that must be heard, by the sessions of whoever got one; heard: "EXISTS" that came; alive: "Still here" that came.
 *
 * Orders on standard input: "news" begins to append a message every options.interval_ms, to one user after the other; "quiet" stops that.
 *
 * With COMPRESS nobody keeps an inflater of 40 KiB for each phone. What the server says to a session that slept begins afresh, behind
 * a full flush, so one inflater for all reads it. Only right after the login it may not: what cannot be read is counted as opaque. */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { PLAIN_MOST = 16 * 1024, REPORT_MS = 1000 };
enum { STAGE_SLEEPER, STAGE_WRITER };

struct dormant {
    uint32_t *resting; /* by user: sessions of his that sleep */
    unsigned at_rest;
    unsigned failed;
    unsigned lost;
    unsigned next_user;
    bool has_news;
    uint64_t news;
    uint64_t expected;
    uint64_t heard;
    uint64_t alive;
    uint64_t opaque;
    uint32_t reported_ms;
    uint32_t wrote_ms;
    z_stream inflater;
};

static struct dormant *of(struct load *l)
{
    if (l->own == NULL) {
        struct dormant *d = mem_new(sizeof(*d));
        d->resting = calloc(l->options.users, sizeof(*d->resting));
        if (d->resting == NULL || inflateInit2(&d->inflater, -MAX_WBITS) != Z_OK) {
            abort();
        }
        l->own = d;
    }
    return l->own;
}

static void on_open(struct load *l, struct client *c)
{
    bool is_writer = c->index >= l->options.count;
    struct dormant *d = of(l);
    c->stage = is_writer ? STAGE_WRITER : STAGE_SLEEPER;
    talk_start(l, c, is_writer ? TALK_APPEND : TALK_IDLE,
               (is_writer ? d->next_user++ : c->index) % l->options.users);
}

static void give_up(struct load *l, struct client *c)
{
    struct dormant *d = of(l);
    if (c->is_at_rest == 0) {
        d->failed++;
        if (d->failed <= 5) {
            (void)fprintf(stderr, "load: client %u failed at %s: %s\n", c->index, talk_get_step(c),
                          talk_get_line(c));
        }
    } else {
        d->lost++;
        d->at_rest--;
        d->resting[c->index % l->options.users]--;
    }
}

static void on_end(struct load *l, struct client *c)
{
    give_up(l, c);
}

static void count_words(struct dormant *d, struct str s)
{
    static const struct str NEWS = STR(" EXISTS\r\n");
    static const struct str ALIVE = STR("* OK Still here");
    for (struct str rest = s; str_find_str(rest, NEWS) < rest.n;) {
        d->heard++;
        rest = str_skip(rest, str_find_str(rest, NEWS) + NEWS.n);
    }
    for (struct str rest = s; str_find_str(rest, ALIVE) < rest.n;) {
        d->alive++;
        rest = str_skip(rest, str_find_str(rest, ALIVE) + ALIVE.n);
    }
}

static void listen_packed(struct dormant *d, struct str octets)
{
    unsigned char plain[PLAIN_MOST];
    z_stream *z = &d->inflater;
    union {
        const char *in;
        unsigned char *out;
    } p = {octets.p}; /* inflate() only reads it */
    (void)inflateReset(z);
    z->next_in = p.out;
    z->avail_in = (unsigned)octets.n;
    z->next_out = plain;
    z->avail_out = sizeof(plain);
    int result = inflate(z, Z_SYNC_FLUSH);
    d->opaque += result != Z_OK && result != Z_BUF_ERROR ? 1 : 0;
    count_words(d, str_make((const char *)plain, sizeof(plain) - z->avail_out));
}

static void rest(struct load *l, struct client *c)
{
    struct dormant *d = of(l);
    talk_end(c);
    engine_set_at_rest(l, c);
    d->at_rest++;
    d->resting[c->index % l->options.users]++;
}

static void follow(struct load *l, struct client *c, enum talk_result r)
{
    struct dormant *d = of(l);
    if (r == TALK_FAILED) {
        give_up(l, c);
        engine_close(l, c);
    } else if (r == TALK_DONE && c->stage == STAGE_SLEEPER) {
        rest(l, c);
    } else if (r == TALK_DONE) {
        d->news++;
        engine_close(l, c);
    }
}

static void on_octets(struct load *l, struct client *c, struct str octets)
{
    if (c->talk != NULL) {
        follow(l, c, talk_take(l, c, octets));
    } else if (l->options.is_compressed) {
        listen_packed(of(l), octets);
    } else {
        count_words(of(l), octets);
    }
}

static void on_tls(struct load *l, struct client *c)
{
    follow(l, c, talk_on_tls(l, c));
}

static void report(struct load *l)
{
    const struct dormant *d = of(l);
    (void)printf("at_rest=%u opened=%llu failed=%u lost=%u news=%llu expected=%llu heard=%llu "
                 "alive=%llu opaque=%llu in=%llu\n",
                 d->at_rest, (unsigned long long)l->counts.opened, d->failed, d->lost,
                 (unsigned long long)d->news, (unsigned long long)d->expected,
                 (unsigned long long)d->heard, (unsigned long long)d->alive,
                 (unsigned long long)d->opaque, (unsigned long long)l->counts.octets_in);
    (void)fflush(stdout);
}

/* The sessions of whom the letter is for will hear of it. */
static void write_news(struct load *l)
{
    struct dormant *d = of(l);
    for (unsigned i = 0; i < SPARE_CLIENTS; i++) {
        struct client *c = &l->clients[l->options.count + i];
        if (c->fd < 0) {
            d->expected += d->resting[d->next_user % l->options.users];
            (void)engine_open(l, c);
            return;
        }
    }
}

static void on_tick(struct load *l)
{
    struct dormant *d = of(l);
    uint32_t now = engine_get_ms(l);
    if (now - d->reported_ms >= REPORT_MS) {
        d->reported_ms = now;
        report(l);
    }
    if (d->has_news && now - d->wrote_ms >= l->options.interval_ms) {
        d->wrote_ms = now;
        write_news(l);
    }
}

static void on_order(struct load *l, struct str line)
{
    struct dormant *d = of(l);
    if (str_eq(line, STR("news"))) {
        d->has_news = true;
        d->wrote_ms = engine_get_ms(l);
    } else if (str_eq(line, STR("quiet"))) {
        d->has_news = false;
    }
}

static void on_finish(struct load *l)
{
    struct dormant *d = of(l);
    report(l);
    (void)inflateEnd(&d->inflater);
    free(d->resting);
    free(d);
    l->own = NULL;
}

const struct mode MODE_DORMANT = {
    .name = "dormant",
    .help = "log in, SELECT, IDLE, and listen; orders on standard input: news, quiet, quit",
    .on_open = on_open,
    .on_tls = on_tls,
    .on_octets = on_octets,
    .on_end = on_end,
    .on_tick = on_tick,
    .on_order = on_order,
    .on_finish = on_finish,
};
