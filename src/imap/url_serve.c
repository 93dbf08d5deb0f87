/* Answering another worker's URLFETCH. A session core like the others (net/session.h), that hears nothing and says one thing:
 * the octets of the URL in its open message, read as they are taken. */
#include "imap/url_serve.h"

#include "base/mem.h"

#include <stdlib.h>

enum { READ_SIZE = 16 * 1024, URL_ARENA_MOST = 64 * 1024 };

struct url_serve {
    struct session base;
    struct url_octets octets;
    bool is_begun;
    bool is_refused;
};

void url_serve_write_head(struct buf *out, struct str url, const struct url_asker *asker)
{
    fields_add(out, STR("service"), STR("urlfetch"));
    fields_add(out, STR("url"), url);
    fields_add(out, STR("user"), asker->user);
    fields_add_u64(out, STR("is_anonymous"), asker->is_anonymous);
    fields_add_u64(out, STR("is_submit"), asker->is_submit_entity);
    fields_add_u64(out, STR("is_media"), asker->is_media_entity);
}

static enum err open_url(struct url_serve *s, struct store *store, const struct imap_host *host,
                         const struct fields *head, struct arena *a)
{
    struct imap_url u;
    struct account *owner = NULL;
    struct url_asker asker = {
        .user = fields_get(head, STR("user")),
        .is_anonymous = fields_get_u64(head, STR("is_anonymous"), 1) != 0,
        .is_submit_entity = fields_get_u64(head, STR("is_submit"), 0) != 0,
        .is_media_entity = fields_get_u64(head, STR("is_media"), 0) != 0,
    };
    TRY(imap_url_parse(a, fields_get(head, STR("url")), &u));
    TRY(store_open_account(store, u.user, false, &owner));
    enum err e = url_check(owner, &u, &asker, host->wall_ms(host->owner));
    if (e == ERR_OK) {
        e = url_open(owner, NULL, &u, &s->octets);
    }
    account_unref(&owner);
    return e;
}

static void feed(struct session *base, struct str octets)
{
    (void)base;
    (void)octets; /* nothing is to be said to it */
}

static size_t get_input_backlog(const struct session *base)
{
    (void)base;
    return 0;
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct url_serve *s = (struct url_serve *)base;
    struct str octets = STR_EMPTY;
    if (s->is_refused) {
        buf_add(out, STR("no\n"));
        return SESSION_CLOSE;
    }
    if (!s->is_begun) {
        s->is_begun = true;
        buf_addf(out, "ok %llu\n", (unsigned long long)url_octets_get_size(&s->octets));
    }
    while (out->len < SESSION_OUTPUT_MOST) {
        if (url_octets_read(&s->octets, READ_SIZE, &octets) != ERR_OK || octets.n == 0) {
            return SESSION_CLOSE; /* a broken-off answer is seen by its size */
        }
        buf_add(out, octets);
    }
    return SESSION_OUTPUT;
}

static void url_serve_free(struct session **base)
{
    struct url_serve *s = (struct url_serve *)*base;
    *base = NULL;
    if (s != NULL) {
        url_octets_release(&s->octets);
        free(s);
    }
}

static const struct session_ops OPS = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .free = url_serve_free,
};

struct session *url_serve_new(struct store *store, const struct imap_host *host,
                              const struct fields *head)
{
    struct url_serve *s = mem_new(sizeof(*s));
    struct arena *a = arena_new(URL_ARENA_MOST);
    s->base.ops = &OPS;
    s->is_refused = open_url(s, store, host, head, a) != ERR_OK;
    arena_free(&a);
    return &s->base;
}
