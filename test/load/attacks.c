/* What strangers do to a server: a row each, in the table at the end.
 *
 * All keep options.count connections open as long as the time lasts and come again when they are hung up on, options.rate times a second
 * at most. At the end each says what became of it:
 *
 *     attack=slowloris opened=2000 refused=0 ended=150 open=1850 handshakes=0 in=81000 out=52000 */
#include "load.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 16 * 1024, GREETED = 1, ASKED_TLS = 2 };

static void say_what_became(struct load *l)
{
    unsigned open = 0;
    for (unsigned i = 0; i < l->options.count; i++) {
        open += l->clients[i].fd >= 0 && l->clients[i].is_open != 0 ? 1 : 0;
    }
    const struct load_counts *n = &l->counts;
    (void)printf("attack=%s opened=%llu refused=%llu ended=%llu open=%u handshakes=%llu in=%llu "
                 "out=%llu\n",
                 l->mode->name, (unsigned long long)n->opened, (unsigned long long)n->refused,
                 (unsigned long long)n->ended, open, (unsigned long long)n->handshakes,
                 (unsigned long long)n->octets_in, (unsigned long long)n->octets_out);
}

/* Nothing is awaited: others may begin at once. */
static void hold(struct load *l, struct client *c)
{
    engine_set_at_rest(l, c);
}

static void leave(struct load *l, struct client *c)
{
    engine_close(l, c);
}

/* ---- an octet now and then, of a command that never ends ---- */

static void drip(struct load *l)
{
    static const char LINE[] = "a LOGIN some";
    static const size_t LEN = sizeof(LINE) - 1;
    uint64_t interval_us = l->options.interval_ms * 1000ULL;
    for (unsigned i = 0; i < l->options.count; i++) {
        struct client *c = &l->clients[i];
        if (c->fd < 0 || c->is_open == 0) {
            continue;
        }
        uint64_t due = (l->now_us - c->begun_us) / interval_us;
        if ((due & 0xff) != c->stage) {
            c->stage = due & 0xff;
            (void)engine_send(l, c, str_make(due <= LEN ? &LINE[due - (due > 0)] : "x", 1));
        }
    }
}

/* ---- as much as the server takes, and nothing is read ---- */

static void pour(struct load *l, struct str octets)
{
    for (unsigned i = 0; i < l->options.count; i++) {
        struct client *c = &l->clients[i];
        if (c->fd >= 0 && c->is_open != 0) {
            (void)engine_send(l, c, octets);
        }
    }
}

static void pour_garbage(struct load *l)
{
    static const char ENDS[] = "\r\n";
    uint64_t x = l->now_us | 1;
    for (size_t i = 0; i < CHUNK; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        l->scratch[i] = (x & 15) == 0 ? ENDS[i & 1] : (char)(x >> 8);
    }
    pour(l, str_make(l->scratch, CHUNK));
}

static void pour_line(struct load *l)
{
    memset(l->scratch, 'x', CHUNK);
    pour(l, str_make(l->scratch, CHUNK));
}

static void begin_literal(struct load *l, struct client *c)
{
    hold(l, c);
    (void)engine_send(l, c, STR("a LOGIN {4000000000+}\r\n"));
}

static void pour_commands(struct load *l)
{
    static const char COMMAND[] = "a NOOP\r\n";
    static const size_t LEN = sizeof(COMMAND) - 1;
    for (size_t i = 0; i < CHUNK; i++) {
        l->scratch[i] = COMMAND[i % LEN];
    }
    pour(l, str_make(l->scratch, CHUNK));
}

/* ---- logins that fail ---- */

static void try_again(struct load *l, struct client *c, struct str octets)
{
    char line[128];
    if (str_starts(octets, STR("* BYE"))) {
        return;
    }
    int n = snprintf(line, sizeof(line), "a LOGIN %s%u wrong%u\r\n", l->options.user,
                     c->index % l->options.users, c->index);
    (void)engine_send(l, c, str_make(line, (size_t)n));
}

/* ---- TLS ---- */

static void ask_tls(struct load *l, struct client *c, struct str octets)
{
    if (c->stage == 0) {
        c->stage = ASKED_TLS;
        (void)engine_send(l, c, STR("a STARTTLS\r\n"));
    } else if (c->stage == ASKED_TLS && str_starts(octets, STR("a OK"))) {
        c->stage = GREETED;
        engine_start_tls(l, c);
    }
}

/* The first octets of a ClientHello, and never the rest. */
static void half_a_hello(struct load *l, struct client *c, struct str octets)
{
    static const char HELLO[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    if (c->stage == 0) {
        c->stage = ASKED_TLS;
        (void)engine_send(l, c, STR("a STARTTLS\r\n"));
    } else if (c->stage == ASKED_TLS && str_starts(octets, STR("a OK"))) {
        c->stage = GREETED;
        (void)engine_send(l, c, str_make(HELLO, sizeof(HELLO) - 1));
    }
}

/* Whoever is hung up on comes again, and all tell at the end. */
#define ATTACK(word, text, ...)                                                                    \
    {                                                                                              \
        .name = (word), .help = (text), .is_reopened = true, .on_finish = say_what_became,         \
        __VA_ARGS__                                                                                \
    }

static const struct mode ATTACKS[] = {
    ATTACK("silent", "connect and say nothing", .on_open = hold),
    ATTACK("slowloris", "an octet each interval_ms", .on_open = hold, .on_tick = drip),
    ATTACK("handshakes", "STARTTLS, a full handshake, and away", .on_open = hold,
           .on_octets = ask_tls, .on_tls = leave),
    ATTACK("hellos", "STARTTLS, the beginning of a ClientHello, silence", .on_open = hold,
           .on_octets = half_a_hello),
    ATTACK("garbage", "random octets in lines, as fast as they are taken; reads nothing",
           .on_open = hold, .on_tick = pour_garbage, .is_deaf = true),
    ATTACK("commands", "NOOP after NOOP without end; reads nothing", .on_open = hold,
           .on_tick = pour_commands, .is_deaf = true),
    ATTACK("lines", "a line without end", .on_open = hold, .on_tick = pour_line, .is_deaf = true),
    ATTACK("literals", "a literal without end", .on_open = begin_literal, .on_tick = pour_line,
           .is_deaf = true),
    ATTACK("failures", "one wrong password after the other", .on_open = hold,
           .on_octets = try_again),
    ATTACK("churn", "connect and leave", .on_open = leave),
};

enum { ATTACK_COUNT = sizeof(ATTACKS) / sizeof(ATTACKS[0]) };

const struct mode *attack_get(size_t index)
{
    return index < ATTACK_COUNT ? &ATTACKS[index] : NULL;
}

const struct mode *attack_find(const char *name)
{
    for (size_t i = 0; i < ATTACK_COUNT; i++) {
        if (strcmp(ATTACKS[i].name, name) == 0) {
            return &ATTACKS[i];
        }
    }
    return NULL;
}
