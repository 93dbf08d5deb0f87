/* Who comes back while his old connection is still open here: how it is seen that a network forgets silent connections.
 *
 * A phone whose NAT forgot its connection hears nothing of it. It notices when it speaks next, and logs in anew; we still have the old
 * connection, and think that it sleeps. So at a login we look for the last connection of the same user from the same address:
 *
 *     old:    ........ silent for 29 min ......... "* OK Still here" --> (nothing confirms it)
 *     new:                                   login, answers      .......... heard, and confirms all
 *                                                                    |  a minute later: forgotten after 29 min
 *
 * That is one packet, where somebody comes back, and none elsewhere. The same is learnt of news or a keep-alive that nobody confirms, when
 * the client comes back meanwhile. What is not taken for forgetting:
 *
 *     nobody comes back          the phone is switched off, or out of reach
 *     it comes from elsewhere    it is in another network now
 *     a reset                    somebody answered: mostly the phone, which was switched off and knows nothing of the connection
 *     the old one confirms       it works: clients may have several. That is noted, too: so long a silence was survived
 *
 * What is left to mistake is a phone that was switched off and got another address behind its NAT; networks.c wants to see it three times
 * over, and nothing that lived as long.
 *
 * A trial is what we know of octets that we sent after a silence: it ends when something is heard. */
#include "edge/connection_priv.h"

#include "base/mem.h"
#include "edge/networks.h"

#include <stdlib.h>
#include <sys/random.h>

static const uint64_t LEAST_S =
    60; /* no NAT forgets so soon; nothing is learnt of shorter silences */

struct trial {
    uint64_t silent_ms; /* what our octets ended */
    uint64_t since_ms;
};

static bool is_watched(const struct connection *c)
{
    return c->home_key != 0 && c->is_in && !c->is_peer_done;
}

static bool is_long(const struct connection *c, uint64_t silent_ms)
{
    return silent_ms >= LEAST_S * c->edge->settings.second_ms;
}

static void end_trial(struct connection *c)
{
    free(c->trial);
    c->trial = NULL;
}

static void note_survived(struct connection *c, uint64_t silent_ms)
{
    networks_note_survived(c->edge->networks, &c->peer, silent_ms, loop_now_ms(c->edge->loop));
}

void comeback_note_heard(struct connection *c)
{
    if (!is_watched(c)) {
        return;
    }
    uint64_t silent_ms = loop_now_ms(c->edge->loop) - c->spoke_ms;
    if (c->trial != NULL) {
        note_survived(c, c->trial->silent_ms);
        end_trial(c);
    }
    if (is_long(c, silent_ms)) {
        note_survived(c, silent_ms);
    }
}

void comeback_note_said(struct connection *c)
{
    uint64_t now_ms = loop_now_ms(c->edge->loop);
    if (c->trial != NULL && stream_get_owed(c->client) == 0) {
        note_survived(c, c->trial->silent_ms);
        end_trial(c);
    }
    if (!is_watched(c) || c->trial != NULL || !is_long(c, now_ms - c->spoke_ms)) {
        return;
    }
    c->trial = mem_new(sizeof(*c->trial));
    *c->trial = (struct trial){.silent_ms = now_ms - c->spoke_ms, .since_ms = now_ms};
}

/* The client is there: its newest connection has spoken since, and confirmed all that it was told. */
static bool is_back(const struct connection *c)
{
    const struct connection *newest = map_find(c->edge->newest, map_id(&c->home_key));
    return newest != NULL && newest != c && newest->spoke_ms >= c->trial->since_ms
           && stream_get_owed(newest->client) == 0;
}

void comeback_judge(struct connection *c)
{
    uint64_t now_ms = loop_now_ms(c->edge->loop);
    if (c->trial == NULL || now_ms == c->trial->since_ms) {
        return;
    }
    if (!c->is_owing) {
        note_survived(c, c->trial->silent_ms);
        end_trial(c);
    } else if (is_long(c, now_ms - c->trial->since_ms) && is_back(c)) {
        networks_note_forgotten(c->edge->networks, &c->peer, c->trial->silent_ms, now_ms);
        end_trial(c);
    }
}

/* 64 bits of whom and where, with a secret. */
static uint64_t make_key(const struct edge *e, struct str user, const struct address *peer)
{
    struct str where = address_get_neighbour(peer);
    uint64_t key = edge_make_user_key(e, user);
    for (size_t i = 0; i < where.n; i++) {
        key = (key ^ (unsigned char)where.p[i]) * UINT64_C(0x100000001b3);
    }
    return key == 0 ? 1 : key;
}

void comeback_note_user(struct connection *c, struct str user)
{
    bool may_be_watched =
        c->edge->networks != NULL && c->service == SERVICE_IMAP && !c->is_loopback;
    c->home_key = may_be_watched ? make_key(c->edge, user, &c->peer) : 0;
}

void comeback_note_login(struct connection *c)
{
    if (c->home_key == 0) {
        return;
    }
    struct connection *old = map_put(c->edge->newest, map_id(&c->home_key), c);
    if (old != NULL && old != c) {
        idle_try(old);
    }
}

void comeback_forget(struct connection *c)
{
    end_trial(c);
    if (c->home_key != 0 && map_find(c->edge->newest, map_id(&c->home_key)) == c) {
        (void)map_remove(c->edge->newest, map_id(&c->home_key));
    }
    c->home_key = 0;
}

void comeback_open(struct edge *e)
{
    e->newest = map_new();
    if (getrandom(&e->home_secret, sizeof(e->home_secret), 0) != (ssize_t)sizeof(e->home_secret)) {
        abort();
    }
}

void comeback_close(struct edge *e)
{
    map_free(&e->newest);
}
