/* A bind at an LDAP server is the whole check.
 *
 *     pattern of a name:   uid=%n,ou=people,...   bind
 *     search:              bind as the searcher, find the one entry, bind as that
 *
 * libldap waits for the network, so each check is a helper thread's (loop_work()) with a connection of its own: nothing is shared, a
 * server that hangs holds four checks and a bounded line behind them, and each step ends by itself after timeout_s.
 *
 * Traps that this file knows: a bind with a name and an empty password is anonymous and succeeds (RFC 4513, 5.1.2), so it is never
 * made; a search that finds nobody, or several, is followed by a bind that must fail, so that it takes as long as one that found
 * somebody; referrals are not followed, for they would take the password elsewhere; the answer of a server that is busy, or of an
 * unknown kind, is not a "no". */
#include "verify/bind.h"

#include "base/log.h"
#include "base/mem.h"
#include "verify/ldap_text.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { REASON_MOST = 128, TEXT_MOST = 4096, ENTRIES_MOST = 2 };

static const char NOBODY[] = "cn=nobody-is-called-so,";

struct binder {
    struct binder_config config;
    char *url;
    size_t count;
};

struct bind {
    struct binder *binder;
    struct buf user;
    struct buf password;
    enum err result;
    int code;              /* of LDAP, when it could not be told */
    char why[REASON_MOST]; /* in its words; NUL behind it */
    void (*on_done)(void *owner, enum err e);
    void *owner;
};

static bool set_trust(const struct binder_config *c)
{
    int demand = LDAP_OPT_X_TLS_DEMAND;
    int is_server = 0;
    CLEANUP(buf_release) struct buf path = BUF_INIT(TEXT_MOST);
    buf_add(&path, c->ca_path.n > 0 ? c->ca_path : STR("/etc/ssl/certs/ca-certificates.crt"));
    buf_add_char(&path, '\0');
    return ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == LDAP_OPT_SUCCESS
           && ldap_set_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, path.p) == LDAP_OPT_SUCCESS
           && ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &is_server) == LDAP_OPT_SUCCESS;
}

enum err binder_new(const struct binder_config *config, struct binder **out)
{
    bool is_known =
        str_starts(config->url, STR("ldap://")) || str_starts(config->url, STR("ldaps://"));
    (void)setenv("LDAPNOINIT", "1", 1); /* no settings but ours */
    if (!is_known) {
        return ERR_SYNTAX;
    }
    if (!set_trust(config)) {
        return ERR_IO;
    }
    struct binder *b = mem_new(sizeof(*b));
    b->config = *config;
    b->url = strndup(config->url.p, config->url.n);
    if (b->url == NULL) {
        abort();
    }
    *out = b;
    return ERR_OK;
}

void binder_free(struct binder **b)
{
    if (*b != NULL) {
        free((*b)->url);
        free(*b);
        *b = NULL;
    }
}

/* ---- on a helper thread ---- */

static int bind_as(LDAP *l, const char *dn, struct str password)
{
    struct berval secret = {.bv_len = password.n, .bv_val = (char *)(uintptr_t)password.p};
    return ldap_sasl_bind_s(l, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

/* The library asks for TCP keep-alives, every 75 seconds if need be; RFC 5383, 4.2, does not want them (D24). */
static int refuse_keepalive(LDAP *l, Sockbuf *sockbuf, LDAPURLDesc *server, struct sockaddr *at,
                            struct ldap_conncb *self)
{
    ber_socket_t fd = -1;
    int off = 0;
    (void)l;
    (void)server;
    (void)at;
    (void)self;
    if (ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_GET_FD, &fd) == 1) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off));
    }
    return 0;
}

static void on_disconnect(LDAP *l, Sockbuf *sockbuf, struct ldap_conncb *self)
{
    (void)l;
    (void)sockbuf;
    (void)self;
}

static int connect_to(const struct binder *b, LDAP **out)
{
    const struct binder_config *c = &b->config;
    static struct ldap_conncb connected = {refuse_keepalive, on_disconnect, NULL};
    int version = LDAP_VERSION3;
    struct timeval timeout = {.tv_sec = (time_t)c->timeout_s};
    int code = ldap_initialize(out, b->url);
    if (code != LDAP_SUCCESS) {
        return code;
    }
    (void)ldap_set_option(*out, LDAP_OPT_PROTOCOL_VERSION, &version);
    (void)ldap_set_option(*out, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    (void)ldap_set_option(*out, LDAP_OPT_CONNECT_CB, &connected);
    (void)ldap_set_option(*out, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
    (void)ldap_set_option(*out, LDAP_OPT_TIMEOUT, &timeout);
    return c->has_starttls ? ldap_start_tls_s(*out, NULL, NULL) : LDAP_SUCCESS;
}

/* The name of the one entry that the search finds, or one that nobody has; appended. */
static int search(LDAP *l, const struct binder_config *c, struct str user, struct buf *dn)
{
    static char no_attributes[] = LDAP_NO_ATTRS;
    char *attributes[] = {no_attributes, NULL};
    CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MOST);
    LDAPMessage *found = NULL;
    struct timeval timeout = {.tv_sec = (time_t)c->timeout_s};
    buf_addf(&text, "%.*s%c", STR_ARG(c->bind_dn), '\0');
    int code = c->bind_dn.n > 0 ? bind_as(l, text.p, c->bind_password) : LDAP_SUCCESS;
    if (code != LDAP_SUCCESS) {
        /* The searcher's own login: whatever is wrong with it says nothing about the user. */
        return code == LDAP_INVALID_CREDENTIALS ? LDAP_INSUFFICIENT_ACCESS : code;
    }
    buf_clear(&text);
    buf_addf(&text, "%.*s%c", STR_ARG(c->base), '\0');
    size_t filter_at = text.len;
    ldap_write_text(&text, c->filter, user);
    buf_add_char(&text, '\0');
    code = ldap_search_ext_s(l, text.p, LDAP_SCOPE_SUBTREE, text.p + filter_at, attributes, 0, NULL,
                             NULL, &timeout, ENTRIES_MOST, &found);
    bool is_told = code == LDAP_SUCCESS || code == LDAP_SIZELIMIT_EXCEEDED;
    if (is_told && ldap_count_entries(l, found) == 1) {
        char *name = ldap_get_dn(l, ldap_first_entry(l, found));
        buf_add_c(dn, name != NULL ? name : NOBODY);
        ldap_memfree(name);
    } else if (is_told) {
        buf_addf(dn, "%s%.*s", NOBODY, STR_ARG(c->base));
    }
    (void)ldap_msgfree(found);
    return is_told ? LDAP_SUCCESS : code;
}

static int try(const struct bind *t, LDAP **l)
{
    const struct binder_config *c = &t->binder->config;
    CLEANUP(buf_release) struct buf dn = BUF_INIT(TEXT_MOST);
    int code = connect_to(t->binder, l);
    if (code != LDAP_SUCCESS) {
        return code;
    }
    if (c->dn.n > 0) {
        ldap_write_text(&dn, c->dn, buf_str(&t->user));
    } else {
        code = search(*l, c, buf_str(&t->user), &dn);
    }
    if (code != LDAP_SUCCESS) {
        return code == LDAP_NO_SUCH_OBJECT ? LDAP_OTHER : code; /* the base is not there */
    }
    buf_add_char(&dn, '\0');
    return dn.is_full ? LDAP_INVALID_CREDENTIALS : bind_as(*l, dn.p, buf_str(&t->password));
}

static enum err err_from_ldap(int code)
{
    switch (code) {
    case LDAP_SUCCESS:
        return ERR_OK;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_UNWILLING_TO_PERFORM: /* locked, on some servers */
        return ERR_AUTH_FAILED;
    default:
        return ERR_UNAVAILABLE;
    }
}

/* What the library knows beyond the code, which is for the log. */
static void keep_reason(struct bind *t, LDAP *l)
{
    char *text = NULL;
    (void)ldap_get_option(l, LDAP_OPT_DIAGNOSTIC_MESSAGE, (void *)&text);
    (void)snprintf(t->why, sizeof(t->why), "%s", text != NULL ? text : "");
    ldap_memfree(text);
}

static void work(void *owner)
{
    struct bind *t = owner;
    LDAP *l = NULL;
    t->code = try(t, &l);
    t->result = err_from_ldap(t->code);
    if (l != NULL && t->result == ERR_UNAVAILABLE) {
        keep_reason(t, l);
    }
    if (l != NULL) {
        (void)ldap_unbind_ext_s(l, NULL, NULL);
    }
}

/* ---- on the loop ---- */

static void finish(void *owner)
{
    struct bind *t = owner;
    t->binder->count--;
    if (t->result == ERR_UNAVAILABLE) {
        log_warn("the LDAP server did not say: %s%s%s", ldap_err2string(t->code),
                 t->why[0] != '\0' ? ": " : "", t->why);
    }
    t->on_done(t->owner, t->result);
    buf_wipe(&t->user);
    buf_wipe(&t->password);
    free(t);
}

void binder_check(struct binder *b, struct str user, struct str password,
                  void (*on_done)(void *owner, enum err e), void *owner)
{
    if (password.n == 0 || user.n == 0) {
        on_done(owner, ERR_AUTH_FAILED);
        return;
    }
    if (b->count >= BINDS_MOST) {
        on_done(owner, ERR_UNAVAILABLE);
        return;
    }
    struct bind *t = mem_new(sizeof(*t));
    t->binder = b;
    t->user = BUF_INIT(TEXT_MOST);
    t->password = BUF_INIT(TEXT_MOST);
    (void)buf_reserve(&t->password, password.n);
    buf_add(&t->user, user);
    buf_add(&t->password, password);
    t->on_done = on_done;
    t->owner = owner;
    b->count++;
    loop_work(b->config.loop, work, finish, t);
}
