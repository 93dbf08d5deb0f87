/* Who gets the mail for an address.
 *
 * An account may be named like a whole address ("anna@example.org") or like its local part ("anna"), which then is hers in
 * every local domain; so may an alias. For "anna+lists@example.org" these are asked, and the first one counts:
 *
 *     anna+lists@example.org   anna+lists        alias before account, the whole address before the local part
 *     anna@example.org         anna              the same without the detail (RFC 5233, 1)
 *     @example.org                               the catch-all, an alias of the domain
 *     postmaster's stand-in                      for that name only (RFC 5321, 4.5.1)
 *
 * Entities, such as the submission server's own login, get no mail.
 *
 * An alias is followed until only accounts and foreign addresses are left. An alias that is being followed is passed
 * over, so "anna: anna, bob@example.net" keeps a copy, and a circle ends where it began: whoever asks the same way
 * twice finds the account behind it, or nobody. One that was followed to its end is not followed again. With bounds
 * on depth, targets and steps every look-up ends, whatever the table says.
 *
 * A detail goes on to local targets that have none of their own, as in "info: anna" for info+x@; foreign systems may not
 * know of details. */
#include "auth/lookup.h"

#include "auth/aliases.h"
#include "auth/names.h"

struct seen {
    struct str key;
    unsigned depth;
    bool is_open; /* it is being followed */
};

struct search {
    struct users *users;
    const struct lookup_config *config;
    struct lookup *out;
    struct buf keys; /* of seen; never moves */
    VEC(struct seen) seen;
    unsigned depth;
    unsigned steps;
    enum err err;
};

/* An address in its parts, prepared. */
struct parts {
    struct str raw;    /* as it was written, with a domain */
    struct str domain; /* as it was written */
    struct str local;  /* without quotes, borrowed from unquoted */
    struct str base;   /* local without detail */
    struct str detail;
    struct buf unquoted;
    struct buf text; /* scratch for keys */
};

enum found { FOUND_NOBODY, FOUND_ACCOUNT, FOUND_ALIAS, FOUND_NOTHING_NEW };

void lookup_init(struct lookup *l)
{
    *l = (struct lookup){.targets = VEC_INIT};
    buf_init(&l->octets, LOOKUP_OCTETS_MOST);
    (void)buf_reserve(&l->octets, LOOKUP_OCTETS_MOST); /* slices of it stay */
}

void lookup_release(struct lookup *l)
{
    buf_release(&l->octets);
    vec_release(&l->targets);
}

/* A copy that stays as long as the answer. */
static struct str keep(struct buf *octets, struct str s)
{
    size_t at = octets->len;
    buf_add(octets, s);
    return octets->is_full ? STR_EMPTY : str_sub(buf_str(octets), at, s.n);
}

/* The stored form of local at domain (domain empty: of local alone), which is the key of an account or an alias; empty: it
 * cannot be one. Borrowed from text. */
static struct str make_key(struct buf *text, struct str local, struct str domain)
{
    size_t at = text->len;
    enum err e =
        domain.n > 0 ? address_join(local, domain, false, text) : name_prepare(local, false, text);
    return e == ERR_OK ? str_skip(buf_str(text), at) : STR_EMPTY;
}

static void note(struct search *x, enum err e)
{
    if (x->err == ERR_OK && e != ERR_NOT_FOUND) {
        x->err = e;
    }
}

static bool on_any_row(void *owner, struct str name, struct str value)
{
    return false;
}

/* Is there an alias of this name that may be followed now? */
static enum found find_alias(struct search *x, struct str key)
{
    enum err e = alias_find(x->users, key, on_any_row, NULL);
    note(x, e);
    if (e != ERR_OK) {
        return FOUND_NOBODY;
    }
    for (size_t i = 0; i < x->seen.count; i++) {
        if (str_eq(x->seen.at[i].key, key)) {
            /* The alias that is being read may name itself: "anna: anna, bob@example.net". */
            bool is_itself = x->seen.at[i].depth == x->depth;
            x->out->is_circle = x->out->is_circle || (x->seen.at[i].is_open && !is_itself);
            return x->seen.at[i].is_open ? FOUND_NOBODY : FOUND_NOTHING_NEW;
        }
    }
    return FOUND_ALIAS;
}

static enum found find_name(struct search *x, struct str key)
{
    if (key.n == 0) {
        return FOUND_NOBODY;
    }
    enum found found = find_alias(x, key);
    if (found != FOUND_NOBODY) {
        return found;
    }
    enum user_kind kind;
    enum err e = users_find(x->users, key, NULL, &kind);
    note(x, e);
    return e == ERR_OK && kind == USER_PERSON ? FOUND_ACCOUNT : FOUND_NOBODY;
}

/* local@domain, then local; *key: what was found. */
static enum found find_local(struct search *x, struct parts *p, struct str local, struct str *key)
{
    *key = make_key(&p->text, local, p->domain);
    enum found found = find_name(x, *key);
    if (found == FOUND_NOBODY) {
        *key = make_key(&p->text, local, STR_EMPTY);
        found = find_name(x, *key);
    }
    return found;
}

/* Who has this local address? */
static enum found find(struct search *x, struct parts *p, struct str *key)
{
    enum found found = find_local(x, p, p->local, key);
    if (found != FOUND_NOBODY) {
        p->base = p->local; /* the delimiter is a part of this name */
        p->detail = STR_EMPTY;
        return found;
    }
    if (p->detail.p != NULL) {
        found = find_local(x, p, p->base, key);
    }
    if (found == FOUND_NOBODY) {
        *key = make_key(&p->text, STR_EMPTY, p->domain);
        found = key->n > 0 ? find_alias(x, *key) : found;
    }
    bool is_postmaster = str_eq_nocase(p->base, STR("postmaster"));
    if (found == FOUND_NOBODY && is_postmaster && x->config->postmaster.n > 0) {
        *key = make_key(&p->text, x->config->postmaster, STR_EMPTY);
        found = find_name(x, *key);
    }
    return found;
}

static void parts_release(struct parts *p)
{
    buf_release(&p->unquoted);
    buf_release(&p->text);
}

static enum err parts_make(const struct lookup_config *c, struct str raw, struct parts *out)
{
    *out = (struct parts){
        .raw = raw, .unquoted = BUF_INIT(2 * NAME_MOST), .text = BUF_INIT((size_t)16 * NAME_MOST)};
    (void)buf_reserve(&out->text, (size_t)16 * NAME_MOST);
    TRY(address_split(raw, &out->unquoted, &out->domain));
    out->local = buf_str(&out->unquoted);
    out->base = address_cut_detail(out->local, c->delimiters, &out->detail);
    return ERR_OK;
}

static void add_target(struct search *x, struct str address, struct str user)
{
    struct lookup *out = x->out;
    for (size_t i = 0; i < out->targets.count; i++) {
        const struct lookup_target *t = &out->targets.at[i];
        if (user.n > 0 ? str_eq(t->user, user) && str_eq(t->address, address)
                       : t->user.n == 0 && str_eq_nocase(t->address, address)) {
            return;
        }
    }
    struct lookup_target t = {keep(&out->octets, address), keep(&out->octets, user)};
    if (out->targets.count >= LOOKUP_TARGETS_MOST || out->octets.is_full) {
        note(x, ERR_LIMIT);
        return;
    }
    vec_push(&out->targets, t);
}

static void follow(struct search *x, struct str address);

struct follower {
    struct search *search;
    struct parts *from; /* the address that the alias was found for */
    struct buf targets; /* lines */
};

/* Appends the address that the target means here. */
static void add_line(struct follower *f, struct str target)
{
    size_t at = str_find_last_char(target, '@');
    struct str local = str_sub(target, 0, at);
    struct str domain = at < target.n ? str_skip(target, at + 1) : f->from->domain;
    struct str detail = STR_EMPTY;
    (void)address_cut_detail(local, f->search->config->delimiters, &detail);
    bool is_plain = str_find_char(local, '"') == local.n && f->from->raw.p[0] != '"';
    buf_add(&f->targets, local);
    if (f->from->detail.p != NULL && detail.p == NULL && is_plain
        && str_has_word_nocase(f->search->config->domains, domain)) {
        buf_add_char(&f->targets, f->search->config->delimiters.p[0]);
        buf_add(&f->targets, f->from->detail);
    }
    buf_addf(&f->targets, "@%.*s\n", STR_ARG(domain));
}

static bool on_target(void *owner, struct str name, struct str target)
{
    add_line(owner, target);
    return true;
}

static void follow_alias(struct search *x, struct parts *from, struct str key)
{
    size_t index = x->seen.count;
    struct seen seen = {keep(&x->keys, key), x->depth + 1, true};
    struct follower f = {x, from, BUF_INIT(LOOKUP_OCTETS_MOST)};
    if (x->depth == LOOKUP_DEPTH_MOST || seen.key.n == 0) {
        note(x, ERR_LIMIT);
        return;
    }
    vec_push(&x->seen, seen);
    x->depth++;
    note(x, alias_find(x->users, key, on_target, &f));
    note(x, buf_err(&f.targets));
    for (struct str rest = buf_str(&f.targets); rest.n > 0 && x->err == ERR_OK;) {
        follow(x, str_split(&rest, '\n'));
    }
    x->depth--;
    x->seen.at[index].is_open = false;
    buf_release(&f.targets);
}

/* Adds what address leads to. */
static void follow(struct search *x, struct str address)
{
    CLEANUP(parts_release) struct parts p;
    struct str key = STR_EMPTY;
    if (++x->steps > LOOKUP_STEPS_MOST) {
        note(x, ERR_LIMIT);
    }
    if (parts_make(x->config, address, &p) != ERR_OK || x->err != ERR_OK) {
        return;
    }
    if (!str_has_word_nocase(x->config->domains, p.domain)) {
        add_target(x, address, STR_EMPTY);
        return;
    }
    switch (find(x, &p, &key)) {
    case FOUND_ALIAS:
        follow_alias(x, &p, key);
        break;
    case FOUND_ACCOUNT:
        add_target(x, address, key);
        break;
    case FOUND_NOBODY: /* whoever sends it there is told so, if it is the target of an alias */
        if (x->depth > 0) {
            add_target(x, address, STR_EMPTY);
        }
        break;
    case FOUND_NOTHING_NEW:
        break;
    }
}

/* One account under the address that was asked for, or under an alias that says no more than the account: no new address. */
static void simplify(const struct lookup_config *c, struct lookup *out)
{
    const struct lookup_target *only = &out->targets.at[0];
    CLEANUP(parts_release) struct parts p = {.raw = STR_EMPTY}; /* also when it is not made */
    if (out->targets.count != 1 || only->user.n == 0
        || parts_make(c, only->address, &p) != ERR_OK) {
        return;
    }
    /* A detail that is a part of the account's name is none; what the alias itself says must be passed on. */
    bool is_same = str_eq(p.detail, out->detail);
    if (is_same || str_eq_nocase(p.local, only->user)) {
        out->user = only->user;
        vec_clear(&out->targets);
    }
}

enum err lookup_address(struct users *u, const struct lookup_config *c, struct str address,
                        struct lookup *out)
{
    struct search x = {.users = u,
                       .config = c,
                       .out = out,
                       .keys = BUF_INIT(LOOKUP_OCTETS_MOST),
                       .seen = VEC_INIT};
    CLEANUP(parts_release) struct parts p;
    enum err e = parts_make(c, address, &p);
    struct str key = STR_EMPTY;
    if (e != ERR_OK || !str_has_word_nocase(c->domains, p.domain)) {
        return ERR_NO_USER;
    }
    (void)buf_reserve(&x.keys, LOOKUP_OCTETS_MOST);
    enum found found = find(&x, &p, &key);
    out->detail = keep(&out->octets, p.detail);
    if (found == FOUND_ACCOUNT) {
        out->user = keep(&out->octets, key);
    } else if (found == FOUND_ALIAS) {
        follow_alias(&x, &p, key);
        if (out->targets.count > 0) {
            simplify(c, out);
        }
    }
    buf_release(&x.keys);
    vec_release(&x.seen);
    bool is_found = out->user.n > 0 || out->targets.count > 0;
    return x.err != ERR_OK ? x.err : is_found ? ERR_OK : ERR_NO_USER;
}

/* Was user given local at p's domain; local empty: the whole domain? */
static enum err find_given(struct users *u, struct str user, struct parts *p, struct str local)
{
    struct str key = make_key(&p->text, local, p->domain);
    return key.n > 0 ? sender_find(u, user, key) : ERR_NOT_FOUND;
}

/* An account's own name is an address of its own, also while an alias takes the mail elsewhere. */
static bool is_called(struct str user, struct parts *p, struct str local)
{
    return str_eq(make_key(&p->text, local, p->domain), user)
           || str_eq(make_key(&p->text, local, STR_EMPTY), user);
}

static bool is_reached(const struct lookup *l, bool is_shared, struct str user)
{
    bool is_his = str_eq(l->user, user);
    for (size_t i = 0; i < l->targets.count; i++) {
        is_his = is_his || str_eq(l->targets.at[i].user, user);
    }
    return is_his && (is_shared || l->targets.count <= 1);
}

enum err lookup_sender(struct users *u, const struct lookup_config *c, bool is_shared,
                       struct str user, struct str address)
{
    CLEANUP(parts_release) struct parts p;
    if (parts_make(c, address, &p) != ERR_OK || user.n == 0) {
        return ERR_NOT_AUTHORIZED;
    }
    const struct str given[] = {p.local, p.base, STR_EMPTY};
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        enum err e = find_given(u, user, &p, given[i]);
        if (e != ERR_NOT_FOUND) {
            return e;
        }
    }
    if (!str_has_word_nocase(c->domains, p.domain)) {
        return ERR_NOT_AUTHORIZED;
    }
    if (is_called(user, &p, p.local) || is_called(user, &p, p.base)) {
        return ERR_OK;
    }
    CLEANUP(lookup_release) struct lookup l;
    lookup_init(&l);
    enum err e = lookup_address(u, c, address, &l);
    if (e == ERR_NO_USER || (e == ERR_OK && !is_reached(&l, is_shared, user))) {
        return ERR_NOT_AUTHORIZED;
    }
    return e;
}

bool lookup_is_local(const struct lookup_config *c, struct str domain)
{
    return str_has_word_nocase(c->domains, domain);
}
