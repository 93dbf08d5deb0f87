/* The edge as a whole: its connections, and the links to the rooms behind. Who may come in: door.c.
 *
 * Links come and go with the roles behind them. Logins wait for a role that is not there (question.c), and so do sessions that it
 * had (resume.c). */
#include "edge/edge_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

enum { COMPRESSORS_MOST = 64 }; /* 4 MiB */

struct edge *edge_new(struct loop *l, const struct edge_settings *s)
{
    struct edge *e = mem_new(sizeof(*e));
    assert(s->workers > 0 && s->workers <= EDGE_WORKERS_MOST);
    e->loop = l;
    e->settings = *s;
    if (getrandom(&e->next_id, sizeof(e->next_id), 0) != (ssize_t)sizeof(e->next_id)) {
        abort();
    }
    e->deflate = deflate_pool_new(l, COMPRESSORS_MOST);
    e->stores = mem_new(s->workers * sizeof(struct link *));
    list_init(&e->connections);
    comeback_open(e);
    e->silence = idle_new(e);
    door_open(e);
    question_open(e);
    e->resume = resume_new(e);
    return e;
}

void edge_set_again(struct edge *e, const struct edge_again *a)
{
    e->settings.tls = a->tls;
    e->settings.tls_context = a->tls_context;
    e->settings.connections_most = a->connections_most;
}

void edge_free(struct edge **e)
{
    struct edge *gone = *e;
    if (gone == NULL) {
        return;
    }
    *e = NULL;
    while (!list_is_empty(&gone->connections)) {
        connection_free(connection_from_node(gone->connections.next));
    }
    link_free(&gone->auth);
    link_free(&gone->submit);
    for (unsigned i = 0; i < gone->settings.workers; i++) {
        link_free(&gone->stores[i]);
    }
    free(gone->stores);
    silence_free(&gone->silence);
    networks_free(&gone->networks);
    comeback_close(gone);
    door_close(gone);
    question_close(gone);
    resume_free(&gone->resume);
    deflate_pool_free(&gone->deflate);
    free(gone);
}

/* Where the link to a role is kept; NULL: the edge has no business with it. */
static struct link **find_place(struct edge *e, enum link_role role, unsigned index)
{
    if (role == ROLE_AUTH) {
        return &e->auth;
    }
    if (role == ROLE_SUBMIT) {
        return &e->submit;
    }
    return role == ROLE_STORE && index < e->settings.workers ? &e->stores[index] : NULL;
}

/* The link that was kept there is gone. */
static void note_down(struct edge *e, struct link **place)
{
    if (place == &e->auth) {
        line_close(e->line);
    } else {
        resume_note_down(e,
                         place == &e->submit ? e->settings.workers : (unsigned)(place - e->stores));
    }
}

static void on_down(void *owner, struct link *l)
{
    struct edge *e = owner;
    struct link **place = find_place(e, link_get_peer(l), link_get_index(l));
    enum link_role peer = link_get_peer(l);
    log_warn("the link to %s %u is down",
             peer == ROLE_AUTH    ? "auth"
             : peer == ROLE_STORE ? "store"
                                  : "submit",
             link_get_index(l));
    assert(place != NULL && *place == l);
    link_free(place);
    note_down(e, place);
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    (void)owner;
    (void)l;
    resume_session(whose);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    kick_on_request(owner, l, id, body);
}

static const struct link_handler HANDLER = {
    .on_request = on_request, .on_down = on_down, .on_wake = on_wake};

void edge_add_peer(struct edge *e, enum link_role role, unsigned index, struct stream *s)
{
    struct link **place = find_place(e, role, index);
    if (place == NULL) {
        log_error("role %d.%u has no business with the edge", (int)role, index);
        stream_free(&s);
        return;
    }
    link_free(place);
    note_down(e, place);
    *place = link_new(e->loop, s, role, index, &HANDLER, e);
    if (role == ROLE_AUTH) {
        e->auths++;
        line_open(e->line);
    }
    resume_note_link(e);
}

struct edge_counts edge_get_counts(const struct edge *e)
{
    return e->counts;
}

size_t edge_get_count(const struct edge *e)
{
    return e->count;
}

void edge_say_bye(struct edge *e)
{
    while (!list_is_empty(&e->connections)) {
        connection_say_bye(connection_from_node(e->connections.next), ERR_UNAVAILABLE);
    }
}
