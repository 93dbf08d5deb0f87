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

#include "imap/structure.h"
#include "mime/shape.h"

static bool is_own_address(struct str host, struct str local)
{
    if (host.n > 2 && host.p[0] == '[') {
        host = str_sub(host, 1, host.n - 2);
    }
    return local.n > 0 && str_eq_nocase(host, local);
}

/* A name alone is enough: it is ours at the standard port, too, behind whatever forwards that to us. An address is ours
 * only with the port that the connection came to. */
bool url_is_here(const struct imap_url *u, const struct url_server *server)
{
    enum { IMAP_PORT = 143 };
    uint16_t port = u->port == 0 ? IMAP_PORT : u->port;
    if (str_has_word_nocase(server->host_names, u->host)) {
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

/* Which decoded part: RFC 5524 gives NIL where there is no decoding. *is_other: a header, which has no encoding. */
static enum err find_binary(struct url_octets *o, const struct section *section,
                            const struct message *m, const struct shape *shape, bool *is_other)
{
    const struct part *p = shape_find_part(shape, section->path, section->depth);
    bool is_whole = section->depth == 0 && section->text == SECTION_ALL;
    *is_other = section->text != SECTION_ALL && section->text != SECTION_TEXT;
    if (p == NULL || *is_other) {
        return ERR_OK;
    }
    if (section->text == SECTION_TEXT && section->depth > 0) {
        p = p->is_message ? &p->children[0] : NULL;
    }
    if (p == NULL) {
        return ERR_BAD_URL;
    }
    o->is_binary = true;
    o->is_undecodable =
        binary_describe(m->body_id, shape, is_whole ? NULL : p, &o->part) == ERR_UNKNOWN_CTE;
    return ERR_OK;
}

static enum err find_structure(struct url_octets *o, const struct section *section,
                               const struct shape *shape)
{
    const struct part *p = shape_find_part(shape, section->path, section->depth);
    struct part *copy = arena_one(o->arena, struct part);
    if (p == NULL || copy == NULL) {
        return p == NULL ? ERR_BAD_URL : ERR_LIMIT;
    }
    *copy = *p;
    o->structure = copy;
    return ERR_OK;
}

/* Which octets of the message: the section, then the part of it (RFC 5550, 5.7.1: past its end there are none). */
static enum err find_octets(struct url_octets *o, const struct section *section,
                            const struct message *m, const struct url_wants *wants,
                            const struct shape *shape)
{
    bool is_found = false;
    bool is_other = true;
    TRY(shown_set_shape(&o->shown, o->arena, shape));
    TRY(section_find(&o->shown, section, &o->octets, &is_found));
    if (!is_found) {
        return ERR_BAD_URL;
    }
    if (wants->data == URL_BINARY) {
        TRY(find_binary(o, section, m, shape, &is_other));
    }
    if (wants->has_structure) {
        TRY(find_structure(o, section, o->is_binary ? shape : o->shown.shape));
    }
    if (wants->data == URL_NO_DATA) {
        section_cut(&o->octets, 0, 0);
    } else if (o->is_cut) {
        section_cut(&o->octets, o->offset, o->length);
    }
    return ERR_OK;
}

static enum err read_shape(struct url_octets *o, const struct imap_url *u, const struct message *m,
                           const struct url_wants *wants)
{
    struct section section = {0};
    struct shape shape;
    struct str serialised;
    if (u->has_section && section_parse(o->arena, u->section, &section) != ERR_OK) {
        return ERR_BAD_URL;
    }
    o->is_cut = u->has_partial;
    o->offset = u->partial_offset;
    o->length = u->has_partial_length ? u->partial_length : UINT64_MAX;
    TRY(account_get_shape(o->account, m->body_id, &serialised));
    TRY(shape_parse(o->arena, arena_str(o->arena, serialised), &shape));
    enum err e = find_octets(o, &section, m, wants, &shape);
    o->shown.shape = NULL; /* what is read from now on needs it no more */
    return e;
}

static enum err open_in(struct mailbox *m, const struct imap_url *u, const struct url_wants *wants,
                        struct url_octets *o)
{
    struct message message;
    TRY(find_message(m, u, &message));
    TRY(shown_open(&o->shown, o->account, &message));
    o->arena = arena_new(2 * (size_t)SHAPE_ARENA_MOST + SHAPE_MOST);
    return read_shape(o, u, &message, wants);
}

enum err url_open(struct account *owner, struct mailbox *m, const struct imap_url *u,
                  const struct url_wants *wants, struct url_octets *out)
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
    enum err e = open_in(m, u, wants, &o);
    mailbox_unref(&m);
    if (e != ERR_OK) {
        url_octets_release(&o);
        return e;
    }
    *out = o;
    return ERR_OK;
}

enum step url_octets_measure(struct url_octets *o)
{
    if (!o->is_binary || o->is_undecodable || o->binary.part != NULL) {
        return STEP_DONE;
    }
    enum step step = binary_measure(&o->part, o->shown.reader);
    if (step == STEP_DONE) {
        binary_open(&o->binary, &o->part, o->shown.reader, o->is_cut ? o->offset : 0,
                    o->is_cut ? o->length : UINT64_MAX);
    }
    return step;
}

uint64_t url_octets_get_size(const struct url_octets *o)
{
    return o->is_binary ? o->binary.size : o->octets.size;
}

bool url_octets_has_nul(const struct url_octets *o)
{
    return o->is_binary && o->part.has_nul;
}

void url_octets_write_structure(const struct url_octets *o, struct buf *out)
{
    struct part p = *o->structure;
    bool is_decoded = o->is_binary && !o->is_undecodable && p.child_count == 0;
    if (is_decoded && o->part.offset == p.body_offset) {
        p.encoding = STR("BINARY"); /* RFC 5524 §3.2: an identity encoding */
        p.body_size = o->part.decoded_size;
        p.body_lines = o->part.line_count;
    }
    structure_write_body(out, &p, STRUCTURE_EXTENDED);
}

enum step url_octets_read(struct url_octets *o, size_t n, struct str *out)
{
    if (o->is_binary) {
        return binary_read(&o->binary, n, out);
    }
    bool is_fine = section_read(&o->shown, &o->octets, n, out) == ERR_OK && out->n > 0;
    return is_fine ? STEP_DONE : STEP_BAD;
}

void url_octets_release(struct url_octets *o)
{
    binary_close(&o->binary);
    shown_close(&o->shown);
    section_release(&o->octets);
    arena_free(&o->arena);
    if (o->account != NULL) {
        account_unref(&o->account);
    }
    *o = (struct url_octets){0};
}
