/* limetta-verify: others are asked whether a login is good, as a process.
 *
 * Auth sends a password or a token and hears "ok", "no" or "later" (docs/architecture.md). This process connects out, to the servers that
 * the configuration names, and has no files, no keys and no listening sockets; whoever takes it over can say yes to logins, and sees those
 * that come through it, and that is all. It runs only when the configuration names somebody to ask. */
#include "main/boot.h"

#include "base/list.h"
#include "base/log.h"
#include "main/peers.h"
#include "net/fields.h"
#include "net/http.h"
#include "verify/bind.h"
#include "verify/introspect.h"

#include <malloc.h>
#include <stdlib.h>

struct verify_role {
    struct loop *loop;
    struct boot *boot;
    struct binder *binder;             /* NULL: no LDAP */
    struct introspector *introspector; /* NULL: no tokens */
    struct http *http;
    struct peers peers;
    struct list questions;
};

/* What is to be answered. The link may go down before. */
struct question {
    struct list node;
    struct link *link; /* NULL: it did */
    uint32_t id;
};

static void reply(struct link *l, uint32_t id, enum err e, struct str user)
{
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&b, STR("result"),
               e == ERR_OK            ? STR("ok")
               : e == ERR_AUTH_FAILED ? STR("no")
                                      : STR("later"));
    if (e == ERR_OK && user.n > 0) {
        fields_add(&b, STR("user"), user);
    }
    link_reply(l, id, buf_err(&b) == ERR_OK ? buf_str(&b) : STR("result=later\n"));
    buf_release(&b);
}

static void on_token_done(void *owner, enum err e, struct str user)
{
    struct question *q = owner;
    if (q->link != NULL) {
        reply(q->link, q->id, e, user);
    }
    list_remove(&q->node);
    free(q);
}

static void on_bind_done(void *owner, enum err e)
{
    on_token_done(owner, e, STR_EMPTY);
}

static void ask(struct verify_role *r, struct question *q, const struct fields *f)
{
    struct str op = fields_get(f, STR("op"));
    if (r->binder != NULL && str_eq(op, STR("password"))) {
        binder_check(r->binder, fields_get(f, STR("user")), fields_get(f, STR("password")),
                     on_bind_done, q);
    } else if (r->introspector != NULL && str_eq(op, STR("token"))) {
        introspector_check(r->introspector, fields_get(f, STR("token")), on_token_done, q);
    } else {
        on_token_done(q, ERR_UNAVAILABLE, STR_EMPTY);
    }
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct verify_role *r = owner;
    struct fields f;
    if (fields_parse(body, &f) != ERR_OK) {
        reply(l, id, ERR_UNAVAILABLE, STR_EMPTY);
        return;
    }
    struct question *q = calloc(1, sizeof(*q));
    if (q == NULL) {
        abort();
    }
    *q = (struct question){.link = l, .id = id};
    list_append(&r->questions, &q->node);
    ask(r, q, &f);
    if (f.octets.p != NULL) {
        explicit_bzero(f.octets.p, f.octets.size);
    }
    fields_release(&f);
}

static void on_down(void *owner, struct link *l)
{
    struct verify_role *r = owner;
    list_each(node, &r->questions)
    {
        struct question *q = list_entry(node, struct question, node);
        q->link = q->link == l ? NULL : q->link;
    }
    peers_drop(&r->peers, l);
}

static const struct link_handler LINK_HANDLER = {.on_request = on_request, .on_down = on_down};

enum { PEERS = 1U << ROLE_AUTH };

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct verify_role *r = owner;
    (void)peers_add(&r->peers, peer);
}

static void on_stop(void *owner)
{
    loop_stop(((struct verify_role *)owner)->loop);
}

static enum err start_ldap(struct verify_role *r)
{
    const struct boot *b = r->boot;
    const struct binder_config config = {
        .loop = r->loop,
        .url = boot_get(b, STR("ldap_url")),
        .has_starttls = str_eq(boot_get(b, STR("ldap_starttls")), STR("yes"))
                        && str_starts(boot_get(b, STR("ldap_url")), STR("ldap://")),
        .ca_path = boot_get(b, STR("ldap_ca")),
        .dn = boot_get(b, STR("ldap_dn")),
        .base = boot_get(b, STR("ldap_base")),
        .filter = boot_get(b, STR("ldap_filter")),
        .bind_dn = boot_get(b, STR("ldap_bind_dn")),
        .bind_password = boot_get(b, STR("ldap_bind_password")),
        .timeout_s = boot_get_u64(b, STR("ldap_timeout_s"), 10),
    };
    return config.url.n == 0 ? ERR_OK : binder_new(&config, &r->binder);
}

static enum err start_tokens(struct verify_role *r)
{
    const struct boot *b = r->boot;
    struct str url = boot_get(b, STR("oauth_introspection"));
    const struct http_args args = {
        .loop = r->loop,
        .anchors_pem = boot_get(b, STR("oauth_ca")),
        .is_plain_allowed = str_starts(url, STR("http://")), /* of this host: serve looks */
    };
    if (url.n == 0) {
        return ERR_OK;
    }
    TRY(http_new(&args, &r->http));
    const struct introspector_config config = {
        .loop = r->loop,
        .http = r->http,
        .url = url,
        .client_id = boot_get(b, STR("oauth_client_id")),
        .client_secret = boot_get(b, STR("oauth_client_secret")),
        .claim = boot_get(b, STR("oauth_user")),
        .scope = boot_get(b, STR("oauth_scope")),
        .audience = boot_get(b, STR("oauth_audience")),
    };
    r->introspector = introspector_new(&config);
    return ERR_OK;
}

static enum err start(struct verify_role *r)
{
    TRY(start_ldap(r));
    TRY(start_tokens(r));
    return confine(r->boot, ROLE_VERIFY, STR_EMPTY);
}

static void close_all(struct verify_role *r)
{
    list_each(node, &r->questions)
    {
        list_entry(node, struct question, node)->link = NULL;
    }
    introspector_free(&r->introspector);
    http_free(&r->http);
    peers_release(&r->peers);
    loop_free(&r->loop); /* which waits for checks under way */
    for (struct list *node = r->questions.next; node != &r->questions;) {
        struct question *q = list_entry(node, struct question, node);
        node = node->next;
        free(q);
    }
    list_init(&r->questions);
    binder_free(&r->binder);
    boot_free(&r->boot);
}

int main(void)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    struct verify_role r = {.loop = NULL};
    (void)mallopt(M_PERTURB, 0xa5); /* what is freed, by libraries too, is overwritten */
    if (boot_begin("verify", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    loop_wipe_reads(r.loop);
    list_init(&r.questions);
    peers_init(&r.peers, r.loop, PEERS, &LINK_HANDLER, &r);
    enum err e = start(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        boot_attach(r.boot, r.loop, &HANDLER, &r);
        loop_run(r.loop);
    }
    close_all(&r);
    return e == ERR_OK ? 0 : 3;
}
