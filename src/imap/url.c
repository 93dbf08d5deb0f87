/* IMAP URLs, resolved (RFC 5092) and authorized (RFC 4467, RFC 5593).
 *
 *     imap://owner@host:port/mailbox;UIDVALIDITY=v/;UID=u/;SECTION=s/;PARTIAL=o.l;EXPIRE=t;URLAUTH=access:INTERNAL:token
 *            '-account-' '- server -' '------- message ------' '-- octets --' '------------ may it be read? ---------'
 *
 * A token is an HMAC under the mailbox's access key over the URL as written up to the access identifier, so no part of a
 * URL can be changed, and a new key voids all tokens. The token only lets a reader act with the owner's rights; what the
 * owner cannot read now, nobody reads. All refusals look alike: a URL is no means to learn what exists.
 *
 * submit+<userid>: this server checks that the asker is a submission server that it trusts; that <userid> is the one who
 * submits is for that server to check (RFC 4467, 2.4.2). */
#include "imap/url.h"

#include "mime/shape.h"

static bool is_own_address(struct str host, struct str local)
{
    if (host.n > 2 && host.p[0] == '[') {
        host = str_sub(host, 1, host.n - 2);
    }
    return local.n > 0 && str_eq_nocase(host, local);
}

bool url_is_listed(struct str list, struct str user)
{
    while (list.n > 0) {
        struct str word = str_split(&list, ' ');
        if (word.n > 0 && str_eq(word, user)) {
            return true;
        }
    }
    return false;
}

static bool is_own_name(struct str names, struct str host)
{
    while (names.n > 0) {
        struct str name = str_split(&names, ' ');
        if (name.n > 0 && str_eq_nocase(name, host)) {
            return true;
        }
    }
    return false;
}

/* A name alone is enough: it is ours at the standard port, too, behind whatever forwards that to us. An address is ours
 * only with the port that the connection came to. */
bool url_is_here(const struct imap_url *u, const struct url_server *server)
{
    enum { IMAP_PORT = 143 };
    uint16_t port = u->port == 0 ? IMAP_PORT : u->port;
    if (is_own_name(server->host_names, u->host)) {
        return port == server->port || port == IMAP_PORT;
    }
    return is_own_address(u->host, server->local) && port == server->port;
}

/* ---- may it be read? ---- */

static bool has_access(const struct imap_url *u, const struct url_asker *asker)
{
    switch (u->access) {
    case IMAP_ACCESS_SUBMIT:
        return asker->is_submit_entity && u->has_access_user;
    case IMAP_ACCESS_USER:
        return !asker->is_anonymous && u->has_access_user && str_eq(u->access_user, asker->user);
    case IMAP_ACCESS_AUTHUSER:
        return !asker->is_anonymous;
    case IMAP_ACCESS_ANONYMOUS:
        return true;
    case IMAP_ACCESS_STREAM:
        return asker->is_media_entity;
    case IMAP_ACCESS_OTHER:
    case IMAP_ACCESS_NONE:
        break;
    }
    return false;
}

/* One message, not a server, a list or a search (RFC 4467, 7: those give NIL). */
static bool is_one_message(const struct imap_url *u)
{
    return u->has_mailbox && u->uid != 0 && !u->has_search;
}

static enum err check_token(struct account *owner, const struct imap_url *u)
{
    struct mailbox *m = NULL;
    uint8_t key[URLAUTH_KEY_SIZE];
    if (!str_eq_nocase(u->mechanism, STR("INTERNAL"))
        || account_find_mailbox(owner, u->mailbox, &m) != ERR_OK) {
        return ERR_BAD_URL;
    }
    enum err e = mailbox_get_urlauth_key(m, key);
    mailbox_unref(&m);
    bool is_good = e == ERR_OK
                   && urlauth_is_token(str_make((const char *)key, sizeof(key)), u->rump, u->token);
    explicit_bzero(key, sizeof(key));
    return is_good ? ERR_OK : ERR_BAD_URL;
}

enum err url_check(struct account *owner, const struct imap_url *u, const struct url_asker *asker,
                   uint64_t now_ms)
{
    bool is_expired = u->has_expire && (u->expire_s < 0 || (uint64_t)u->expire_s * 1000 <= now_ms);
    if (!is_one_message(u) || is_expired || !has_access(u, asker)) {
        return ERR_BAD_URL;
    }
    return check_token(owner, u);
}

/* ---- the octets ---- */

static enum err find_message(struct mailbox *m, const struct imap_url *u, struct message *out)
{
    struct view *v = NULL;
    TRY(mailbox_get_view(m, &v));
    if (u->uidvalidity != 0 && u->uidvalidity != view_get_uidvalidity(v)) {
        return ERR_BAD_URL;
    }
    struct seq seq = view_find_uid(v, (struct uid){u->uid});
    return seq.v == 0 ? ERR_BAD_URL : view_get(v, seq, out);
}

/* Which octets of the message: the section, then the part of it (RFC 5550, 5.7.1: past its end there are none). */
static enum err find_octets(const struct imap_url *u, uint64_t body_id, struct url_octets *o)
{
    struct arena *a = o->arena;
    struct section section = {0};
    struct shape shape;
    struct str serialised;
    bool is_found = false;
    if (u->has_section && section_parse(a, u->section, &section) != ERR_OK) {
        return ERR_BAD_URL;
    }
    TRY(account_get_shape(o->account, body_id, &serialised));
    TRY(shape_parse(a, arena_str(a, serialised), &shape));
    TRY(shown_set_shape(&o->shown, a, &shape));
    TRY(section_find(&o->shown, &section, &o->octets, &is_found));
    if (!is_found) {
        return ERR_BAD_URL;
    }
    if (u->has_partial) {
        section_cut(&o->octets, u->partial_offset,
                    u->has_partial_length ? u->partial_length : UINT64_MAX);
    }
    return ERR_OK;
}

static enum err open_in(struct mailbox *m, const struct imap_url *u, struct url_octets *o)
{
    struct message message;
    TRY(find_message(m, u, &message));
    TRY(shown_open(&o->shown, o->account, &message));
    o->arena = arena_new(2 * (size_t)SHAPE_ARENA_MOST + SHAPE_MOST);
    enum err e = find_octets(u, message.body_id, o);
    o->shown.shape = NULL; /* what is read from now on needs it no more */
    return e;
}

enum err url_open(struct account *owner, struct mailbox *m, const struct imap_url *u,
                  struct url_octets *out)
{
    struct url_octets o = {.account = owner};
    if (u->uid == 0 || u->has_search || (m == NULL && !u->has_mailbox)) {
        return ERR_BAD_URL;
    }
    if (m != NULL) {
        mailbox_ref(m);
    } else if (account_find_mailbox(owner, u->mailbox, &m) != ERR_OK) {
        return ERR_BAD_URL;
    }
    account_ref(owner);
    enum err e = open_in(m, u, &o);
    mailbox_unref(&m);
    if (e != ERR_OK) {
        url_octets_release(&o);
        return e;
    }
    *out = o;
    return ERR_OK;
}

uint64_t url_octets_get_size(const struct url_octets *o)
{
    return o->octets.size;
}

enum err url_octets_read(struct url_octets *o, size_t n, struct str *out)
{
    return section_read(&o->shown, &o->octets, n, out);
}

void url_octets_release(struct url_octets *o)
{
    shown_close(&o->shown);
    section_release(&o->octets);
    arena_free(&o->arena);
    if (o->account != NULL) {
        account_unref(&o->account);
    }
    *o = (struct url_octets){0};
}
