/* The idle rules: what silence means for a connection.
 *
 * Silence is counted, never age (RFC 5383, 4.1: D15). Before login silence is "no whole command", so that single octets do not keep a
 * stranger in; after it "no octet either way". A client that takes nothing of what we send is given twice the time, for the network may be
 * away for a while (D22).
 *
 * Seconds here are settings.second_ms long: a test may make an idle hour short. Nothing else is. */
#include "edge/connection_priv.h"

static uint8_t get_rule(const struct connection *c)
{
    if (!c->is_in) {
        return IDLE_STRANGER;
    }
    return c->service == SERVICE_SUBMIT ? IDLE_SUBMISSION : IDLE_SESSION;
}

void idle_note_life(struct connection *c)
{
    c->is_stalled = false;
    silence_note(c->edge->silence, &c->place, get_rule(c));
}

static void on_silent(void *owner, struct silence_place *p)
{
    struct connection *c = list_entry(p, struct connection, place);
    (void)owner;
    bool is_owing = c->is_in && stream_get_queued(c->client) > 0;
    if (is_owing && !c->is_stalled) {
        c->is_stalled = true;
        silence_note(c->edge->silence, p, p->rule);
        return;
    }
    connection_say_bye(c, ERR_TIMEOUT);
}

struct connection *idle_find_stranger(const struct edge *e)
{
    struct silence_place *p = silence_find_longest(e->silence, IDLE_STRANGER);
    return p == NULL ? NULL : list_entry(p, struct connection, place);
}

struct silence *idle_new(struct edge *e)
{
    const struct edge_settings *s = &e->settings;
    struct silence *silence = silence_new(e->loop, on_silent, e);
    silence_set_rule(silence, IDLE_STRANGER, s->login_timeout_ms);
    silence_set_rule(silence, IDLE_SUBMISSION, s->submission_timeout_ms);
    silence_set_rule(silence, IDLE_SESSION, s->idle_timeout_ms);
    return silence;
}
