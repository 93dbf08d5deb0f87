/* TLS sessions that may be resumed, by id.
 *
 * A ticket that carries the whole session (RFC 5077, and what OpenSSL does by itself for TLS 1.3) crosses the air twice at
 * every reconnect, some 250 octets each way, and its key opens every session of its day to whoever steals it. So the
 * session stays here, the client gets its id of 32 octets only, and what is forgotten here is gone for good.
 *
 * OpenSSL's own cache is not used: it counts sessions of any size, keeps some 600 octets for each, and drops a session when its
 * connection ends without close_notify, which is how a phone's connections do end.
 *
 *     fresh:  oldest ... newest     ids that nobody came with yet, for LIFE_MS
 *     used:   oldest ... newest     ids that somebody came with, for GRACE_MS more
 *
 * In TLS 1.3 an id is for one use, and each use brings a new one (RFC 8446, C.4). But the answer with the new one may be
 * lost with the connection, and phones open connections side by side; so a used id is good for a while longer. Where room is
 * needed, used ones go first: then a house of n phones needs n places, however often they come. Resuming has its own key
 * exchange (psk_dhe_ke), there are no early data, so a second use gives nobody anything but a handshake.
 * TLS 1.2 has no second id: its ids stay fresh.
 *
 * Only sessions of clients that have logged in come here (tls_keep_session()): strangers cannot push them out.
 *
 * An entry is the session as DER, about 150 octets, with list and map some 400 (test/unit/net/tls_sessions_test.c measures). */
#include "net/tls_priv.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIFE_MS = TLS_SESSION_LIFE_S * 1000,
    GRACE_MS = 60 * 60 * 1000,
    DER_MOST = 1024 /* more than any session of a client without a certificate */
};

struct entry {
    struct list node; /* in fresh or used */
    uint64_t until_ms;
    uint16_t id_len;
    uint16_t der_len;
    unsigned char octets[]; /* id, DER */
};

struct tls_sessions {
    struct map *by_id;
    struct list fresh;
    struct list used;
    size_t most;
};

struct tls_sessions *tls_sessions_new(size_t most)
{
    struct tls_sessions *c = mem_new(sizeof(*c));
    c->by_id = map_new();
    list_init(&c->fresh);
    list_init(&c->used);
    c->most = most;
    return c;
}

static struct str get_id(const struct entry *e)
{
    return str_make((const char *)e->octets, e->id_len);
}

static struct str id_of(const SSL_SESSION *s)
{
    unsigned len = 0;
    const unsigned char *id = SSL_SESSION_get_id(s, &len);
    return str_make((const char *)id, len);
}

static void forget(struct tls_sessions *c, struct entry *e)
{
    if (e == NULL) {
        return;
    }
    (void)map_remove(c->by_id, get_id(e));
    list_remove(&e->node);
    explicit_bzero(e, sizeof(*e) + e->id_len + e->der_len);
    free(e);
}

static struct entry *find_oldest(const struct list *of)
{
    return list_is_empty(of) ? NULL : list_entry(of->next, struct entry, node);
}

void tls_sessions_free(struct tls_sessions **c)
{
    if (*c == NULL) {
        return;
    }
    while (!list_is_empty(&(*c)->fresh)) {
        forget(*c, find_oldest(&(*c)->fresh));
    }
    while (!list_is_empty(&(*c)->used)) {
        forget(*c, find_oldest(&(*c)->used));
    }
    map_free(&(*c)->by_id);
    free(*c);
    *c = NULL;
}

static void forget_expired(struct tls_sessions *c, const struct list *of, uint64_t now_ms)
{
    struct entry *e = find_oldest(of);
    while (e != NULL && e->until_ms <= now_ms) {
        forget(c, e);
        e = find_oldest(of);
    }
}

static void make_room(struct tls_sessions *c, uint64_t now_ms)
{
    forget_expired(c, &c->used, now_ms);
    forget_expired(c, &c->fresh, now_ms);
    while (map_get_count(c->by_id) >= c->most) {
        struct entry *used = find_oldest(&c->used);
        forget(c, used != NULL ? used : find_oldest(&c->fresh));
    }
}

void tls_sessions_add(struct tls_sessions *c, SSL_SESSION *s, uint64_t now_ms)
{
    struct str id = id_of(s);
    int len = i2d_SSL_SESSION(s, NULL);
    if (c->most == 0 || id.n == 0 || len <= 0 || len > DER_MOST) {
        return;
    }
    forget(c, map_find(c->by_id, id));
    make_room(c, now_ms);
    struct entry *e = mem_new(sizeof(*e) + id.n + (size_t)len);
    unsigned char *to = e->octets + id.n;
    memcpy(e->octets, id.p, id.n);
    e->id_len = (uint16_t)id.n;
    e->der_len = (uint16_t)i2d_SSL_SESSION(s, &to);
    e->until_ms = now_ms + LIFE_MS;
    list_append(&c->fresh, &e->node);
    (void)map_put(c->by_id, id, e);
}

static void note_use(struct tls_sessions *c, struct entry *e, uint64_t now_ms)
{
    uint64_t until_ms = now_ms + GRACE_MS;
    if (e->until_ms > until_ms) { /* the first use: from the second on less is left */
        e->until_ms = until_ms;
        list_remove(&e->node);
        list_append(&c->used, &e->node);
    }
}

SSL_SESSION *tls_sessions_find(struct tls_sessions *c, struct str id, uint64_t now_ms)
{
    struct entry *e = map_find(c->by_id, id);
    if (e == NULL || e->until_ms <= now_ms) {
        return NULL;
    }
    const unsigned char *from = e->octets + e->id_len;
    SSL_SESSION *s = d2i_SSL_SESSION(NULL, &from, e->der_len);
    if (s != NULL && SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION) {
        note_use(c, e, now_ms);
    }
    return s;
}

void tls_sessions_drop(struct tls_sessions *c, const SSL_SESSION *s)
{
    forget(c, map_find(c->by_id, id_of(s)));
}
