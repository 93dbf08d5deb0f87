/* A connection that has brought its message waits here for the next one to the same destination: the handshakes of TCP, TLS and
 * login are most of the cost of a small message. It waits for seconds, not minutes, for the server's resources are not ours; it brings
 * a bounded number of messages, so that a server that spreads its load gets to do so; and when the server says or does anything
 * meanwhile, it goes. */
#include "queue/kept.h"

#include "base/list.h"
#include "base/mem.h"

#include <stdlib.h>

enum { KEY_MOST = 512, GOODBYE_MOST = 1024 };

struct kept {
    struct loop *loop;
    struct list entries; /* oldest first */
    size_t count;
};

struct entry {
    struct list node;
    struct kept *kept;
    struct hop hop;
    struct buf key;
    struct timer *timer;
};

void hop_end(struct loop *loop, struct hop *hop)
{
    if (hop->client != NULL && smtp_client_is_idle(hop->client) && hop->stream != NULL) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(GOODBYE_MOST);
        smtp_client_quit(hop->client);
        (void)smtp_client_step(hop->client, &out);
        stream_write(hop->stream, buf_str(&out));
        stream_finish(loop, &hop->stream);
    }
    if (hop->stream != NULL) {
        stream_free(&hop->stream);
    }
    smtp_client_free(&hop->client);
    buf_release(&hop->name);
}

static void drop(struct entry *e)
{
    list_remove(&e->node);
    e->kept->count--;
    timer_free(&e->timer);
    hop_end(e->kept->loop, &e->hop);
    buf_release(&e->key);
    free(e);
}

static void on_timeout(void *owner)
{
    drop(owner);
}

/* The server speaks up: whatever it is, it is not waiting any more. */
static void on_octets(void *owner, struct str octets)
{
    (void)octets;
    struct entry *e = owner;
    stream_free(&e->hop.stream);
    drop(e);
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum err why)
{
    (void)why;
    struct entry *e = owner;
    stream_free(&e->hop.stream);
    drop(e);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

struct kept *kept_new(struct loop *loop)
{
    struct kept *k = mem_new(sizeof(*k));
    k->loop = loop;
    list_init(&k->entries);
    return k;
}

void kept_free(struct kept **k)
{
    if (*k == NULL) {
        return;
    }
    list_each_safe(node, &(*k)->entries)
    {
        drop((struct entry *)node);
    }
    free(*k);
    *k = NULL;
}

static bool is_full(const struct kept *k, struct str key)
{
    size_t of_key = 0;
    list_each(node, &k->entries)
    {
        of_key += str_eq(buf_str(&((struct entry *)node)->key), key) ? 1 : 0;
    }
    return of_key >= KEPT_KEY_MOST;
}

void kept_put(struct kept *k, struct str key, struct hop *hop)
{
    if (hop->messages >= KEPT_MESSAGES_MOST || !smtp_client_is_idle(hop->client)
        || is_full(k, key)) {
        hop_end(k->loop, hop);
        return;
    }
    if (k->count == KEPT_MOST) {
        drop((struct entry *)k->entries.next);
    }
    struct entry *e = mem_new(sizeof(*e));
    e->kept = k;
    e->hop = *hop;
    *hop = (struct hop){.stream = NULL};
    e->key = BUF_INIT(KEY_MOST);
    buf_add(&e->key, key);
    e->timer = timer_new(k->loop, on_timeout, e);
    timer_start(e->timer, KEPT_IDLE_MS);
    list_append(&k->entries, &e->node);
    k->count++;
    stream_set_handler(e->hop.stream, &HANDLER, e);
}

bool kept_take(struct kept *k, struct str key, bool must_be_authentic, struct hop *out)
{
    list_each_safe(node, &k->entries)
    {
        struct entry *e = (struct entry *)node;
        bool is_good = !must_be_authentic || e->hop.how.is_authentic;
        if (is_good && str_eq(buf_str(&e->key), key)) {
            *out = e->hop;
            e->hop = (struct hop){.stream = NULL};
            drop(e);
            return true;
        }
    }
    return false;
}
