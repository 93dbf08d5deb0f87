/* Answering another worker's URLFETCH. A session core like the others (net/session.h), that hears nothing and says one thing:
 * the octets of the URL in its open message, read as they are taken. */
#include "imap/url_serve.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { READ_SIZE = 16 * 1024, URL_ARENA_MOST = 64 * 1024 };

struct url_serve {
    struct session base;
    struct url_octets octets;
    bool has_structure;
    bool is_begun;
    bool is_refused;
};

void url_serve_write_head(struct buf *out, struct str url, const struct url_asker *asker,
                          const struct url_wants *wants)
{
    fields_add(out, STR("service"), STR("urlfetch"));
    fields_add_u64(out, STR("log"), log_get_about());
    fields_add(out, STR("url"), url);
    fields_add(out, STR("user"), asker->user);
    fields_add_u64(out, STR("is_anonymous"), asker->is_anonymous);
    fields_add_u64(out, STR("is_submit"), asker->is_submit_entity);
    fields_add_u64(out, STR("is_media"), asker->is_media_entity);
    fields_add_u64(out, STR("data"), wants->data);
    fields_add_u64(out, STR("has_structure"), wants->has_structure);
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
    uint64_t data = fields_get_u64(head, STR("data"), URL_BODY);
    struct url_wants wants = {
        .data = data == URL_NO_DATA || data == URL_BINARY ? (enum url_data)data : URL_BODY,
        .has_structure = fields_get_u64(head, STR("has_structure"), 0) != 0,
    };
    s->has_structure = wants.has_structure;
    TRY(imap_url_parse(a, fields_get(head, STR("url")), &u));
    TRY(store_open_account(store, u.user, false, &owner));
    enum err e = url_check(owner, &u, &asker, host->wall_ms(host->owner));
    if (e == ERR_OK) {
        e = url_open(owner, NULL, &u, &wants, &s->octets);
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

static void write_head(struct url_serve *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf structure = BUF_INIT(URL_STRUCTURE_MOST);
    const char *kind = s->octets.is_undecodable         ? "undecodable"
                       : url_octets_has_nul(&s->octets) ? "binary"
                                                        : "text";
    if (s->has_structure) {
        url_octets_write_structure(&s->octets, &structure);
    }
    buf_addf(out, "ok %s %llu %zu\n", kind, (unsigned long long)url_octets_get_size(&s->octets),
             structure.len);
    buf_add(out, buf_str(&structure));
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct url_serve *s = (struct url_serve *)base;
    struct str octets = STR_EMPTY;
    enum step step = s->is_refused ? STEP_BAD : url_octets_measure(&s->octets);
    if (step == STEP_MORE) {
        return SESSION_OUTPUT;
    }
    if (step == STEP_BAD) {
        buf_add(out, STR("no\n"));
        return SESSION_CLOSE;
    }
    if (!s->is_begun) {
        s->is_begun = true;
        write_head(s, out);
    }
    while (out->len < SESSION_OUTPUT_MOST && step == STEP_DONE) {
        if (url_octets_get_size(&s->octets) == 0) {
            return SESSION_CLOSE;
        }
        step = url_octets_read(&s->octets, READ_SIZE, &octets);
        buf_add(out, step == STEP_DONE ? octets : STR_EMPTY);
    }
    return step == STEP_BAD ? SESSION_CLOSE
                            : SESSION_OUTPUT; /* what breaks off is seen by its size */
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
