/* Who may come in.
 *
 * First the stranger's own share, of his address and of the prefix around it (limits.c): who has used it up sends nobody else
 * away by coming again. When it is only his place among those not logged in that is used up, the one of his own neighbours goes that has
 * been silent for longest: so whoever shares an address with an attacker still gets in.
 *
 * Then the house. When it is full, or full of strangers, the stranger that has been silent for longest (no whole command for so long) is
 * sent away, so that a flood of connections that say nothing cannot keep users out. Nobody who is logged in is ever sent away for it,
 * asleep or not, and nobody for being old (RFC 5383, 4.1: D15, D21).
 *
 * When the system has no descriptors left the same ones go. Nothing of this is logged connection by connection: a flood must not fill the
 * disk. It is counted, and said once in a while. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "net/network.h"

enum { NEIGHBOURS_LOOKED_AT = 1024, SHED_AT_ONCE = 32, LOG_EVERY_MS = 10 * 1000 };

static const char *const REASONS[SHED_REASONS] = {
    [SHED_ADDRESS] = "address", [SHED_OFTEN] = "often",
    [SHED_OCTETS] = "octets",   [SHED_FAILURES] = "failures",
    [SHED_FULL] = "full",       [SHED_IDLE] = "idle",
    [SHED_LATE] = "late",       [SHED_DESCRIPTORS] = "descriptors",
};

const char *edge_get_shed_name(enum edge_shed why)
{
    return REASONS[why];
}

static void note_shed(struct edge *e, enum edge_shed why)
{
    uint64_t now_ms = loop_now_ms(e->loop);
    e->counts.shed[why]++;
    if (e->shed_logged_ms == 0 || now_ms - e->shed_logged_ms >= LOG_EVERY_MS) {
        e->shed_logged_ms = now_ms;
        log_warn("strangers are turned away or sent away, now for this reason: %s; see the "
                 "metrics",
                 REASONS[why]);
    }
}

static void turn_away(struct edge *e, enum service service, struct stream *s)
{
    struct buf b = BUF_INIT(1024);
    dialogue_write_bye(&b, service, e->settings.hostname, ERR_UNAVAILABLE);
    stream_write(s, buf_str(&b));
    buf_release(&b);
    stream_finish(e->loop, &s);
}

static void shed(struct connection *c, enum edge_shed why)
{
    note_shed(c->edge, why);
    connection_say_bye(c, ERR_UNAVAILABLE);
}

/* Of the stranger's address, or else of the prefix around it, the one that has been silent for longest. */
static struct connection *find_neighbour(const struct edge *e, const struct address *from)
{
    struct connection *other = NULL;
    struct connection *c = idle_find_stranger(e, NULL);
    for (int i = 0; c != NULL && i < NEIGHBOURS_LOOKED_AT; i++) {
        if (c->is_counted && str_eq(address_get_neighbour(&c->peer), address_get_neighbour(from))) {
            return c;
        }
        if (other == NULL && c->is_counted
            && str_eq(address_get_prefix(&c->peer), address_get_prefix(from))) {
            other = c;
        }
        c = idle_find_stranger(e, c);
    }
    return other;
}

static enum edge_shed get_reason(enum limits_verdict v)
{
    switch (v) {
    case LIMITS_OFTEN:
        return SHED_OFTEN;
    case LIMITS_OCTETS:
        return SHED_OCTETS;
    case LIMITS_FAILURES:
        return SHED_FAILURES;
    case LIMITS_FINE:
    case LIMITS_CONNECTIONS:
    case LIMITS_STRANGERS:
        break;
    }
    return SHED_ADDRESS;
}

static bool take_share(struct edge *e, const struct address *from)
{
    uint64_t now_ms = loop_now_ms(e->loop);
    enum limits_verdict v = limits_take(e->limits, from, now_ms);
    struct connection *neighbour = v == LIMITS_STRANGERS ? find_neighbour(e, from) : NULL;
    if (neighbour != NULL) {
        shed(neighbour, SHED_ADDRESS);
        v = limits_take(e->limits, from, now_ms);
    }
    if (v != LIMITS_FINE) {
        note_shed(e, get_reason(v));
    }
    return v == LIMITS_FINE;
}

static size_t count_strangers(const struct edge *e)
{
    size_t n = 0;
    for (size_t i = 0; i < SERVICE_ACAP; i++) {
        n += e->counts.of[i].strangers;
    }
    return n;
}

static bool make_room(struct edge *e)
{
    const struct edge_settings *s = &e->settings;
    bool is_full = e->count >= s->connections_most;
    if (!is_full && count_strangers(e) < s->strangers_most) {
        return true;
    }
    struct connection *idle = idle_find_stranger(e, NULL);
    if (idle != NULL) {
        shed(idle, SHED_IDLE);
        return true;
    }
    if (is_full) {
        note_shed(e, SHED_FULL);
    }
    return !is_full;
}

void edge_accept(struct edge *e, enum service service, struct stream *s,
                 const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct address from = address_from_sockaddr(peer);
    struct address to = address_from_sockaddr(local);
    bool is_counted = !address_is_self(&from, &to) && !network_has(e->settings.limits_exempt, peer);
    if (is_counted && !take_share(e, &from)) {
        turn_away(e, service, s);
        return;
    }
    if (!make_room(e)) {
        if (is_counted) {
            limits_give(e->limits, &from, true);
        }
        turn_away(e, service, s);
        return;
    }
    connection_new(e, service, s, &from, &to, is_counted);
}

bool edge_note_no_descriptors(struct edge *e)
{
    for (int i = 0; i < SHED_AT_ONCE; i++) {
        struct connection *idle = idle_find_stranger(e, NULL);
        if (idle == NULL) {
            return i > 0;
        }
        note_shed(e, SHED_DESCRIPTORS);
        connection_free(idle); /* at once: last words would keep the descriptor */
    }
    return true;
}

/* ---- what a stranger may take ---- */

bool door_note_octets(struct connection *c, size_t n)
{
    struct edge *e = c->edge;
    c->stranger->octets += n;
    bool is_fine = c->stranger->octets <= e->settings.login_octets_most;
    if (c->is_counted) {
        is_fine = limits_note_octets(e->limits, &c->peer, n, loop_now_ms(e->loop)) && is_fine;
    }
    if (!is_fine) {
        note_shed(e, SHED_OCTETS);
    }
    return is_fine;
}

void door_note_failure(struct connection *c)
{
    if (c->is_counted) {
        limits_note_failure(c->edge->limits, &c->peer, loop_now_ms(c->edge->loop));
    }
}

static void on_late(void *owner, struct silence_place *p)
{
    struct stranger *who = list_entry(p, struct stranger, deadline);
    note_shed(owner, SHED_LATE);
    connection_say_bye(who->connection, ERR_TIMEOUT);
}

static void on_turn(void *owner, struct list *node)
{
    struct stranger *who = list_entry(node, struct stranger, turn);
    (void)owner;
    tls_go_on(who->connection->client);
}

static void on_hello(void *owner)
{
    struct connection *c = owner;
    handshakes_ask(c->edge->handshakes, &c->stranger->turn, address_get_prefix(&c->peer));
}

void door_hold_handshake(struct connection *c)
{
    tls_hold(c->client, on_hello);
}

void door_begin(struct stranger *who)
{
    struct edge *e = who->connection->edge;
    list_init(&who->turn);
    silence_init_place(&who->deadline);
    if (e->settings.login_time_ms > 0) {
        silence_note(e->deadlines, &who->deadline, 0);
    }
}

void door_end(struct stranger *who)
{
    list_remove(&who->turn);
    silence_remove(&who->deadline);
}

void door_open(struct edge *e)
{
    const struct edge_settings *s = &e->settings;
    e->limits = limits_new(&s->per_address, &s->per_prefix);
    e->deadlines = silence_new(e->loop, on_late, e);
    silence_set_rule(e->deadlines, 0, s->login_time_ms);
    e->handshakes = handshakes_new(e->loop, s->handshakes_second, on_turn, e);
}

void door_close(struct edge *e)
{
    limits_free(&e->limits);
    silence_free(&e->deadlines);
    handshakes_free(&e->handshakes);
}
