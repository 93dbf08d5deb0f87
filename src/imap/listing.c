/* What LIST walks.
 *
 * An owner's rows are those of the account. What it subscribed to in other namespaces stands among them, because a subscription is
 * nothing but a name (RFC 3501, 6.3.6); LIST passes over it when the account where it lives will be asked.
 *
 * A guest sees what it has the right to look up, below its prefix. A mailbox that it may not see is, like one that is missing,
 * at most the parent of one that it may (RFC 4314, 4, LIST). What is special to the owner (\Sent, \Trash) is not to a guest,
 * whose client would else find two of each. */
#include "imap/listing.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "imap/access.h"
#include "imap/session_priv.h"

#include <stdlib.h>

enum {
    NAMES_MOST = 2 * MAILBOX_COUNT_MOST * MAILBOX_NAME_MOST,
    AT_NAMESPACES = 1 << 30 /* above all rows */
};

/* ---- an owner ---- */

/* The account where the name lives will be asked. */
static bool is_asked(const struct imap_session *s, struct str name)
{
    struct place p = session_find_place(s, name);
    return str_eq(p.owner, s->args.shared_account) || account_has_grantor(s->account, p.owner);
}

/* Not a row of an owner's LIST. */
static bool is_passed_over(const struct imap_session *s, const struct mailbox_info *info)
{
    return session_is_foreign(s, info->name) && (!info->is_subscribed || is_asked(s, info->name));
}

/* Namespace number i, when there is something in it, as a row. */
static bool get_namespace(struct imap_session *s, size_t i, struct mailbox_info *out)
{
    size_t at = 0;
    struct str owner;
    bool is_there =
        i == 0 ? account_next_grantor(s->account, &at, &owner) : s->args.shared_account.n > 0;
    *out = (struct mailbox_info){.name = namespace_get_name(i), .has_children = true};
    return is_there;
}

static bool next_own(struct imap_session *s, size_t *at, struct mailbox_info *out)
{
    while (*at < AT_NAMESPACES && account_next_mailbox(s->account, at, out)) {
        if (!is_passed_over(s, out)) {
            return true;
        }
    }
    *at = *at < AT_NAMESPACES ? AT_NAMESPACES : *at;
    while (*at < (size_t)AT_NAMESPACES + NAMESPACE_COUNT) {
        if (get_namespace(s, (*at)++ - AT_NAMESPACES, out)) {
            return true;
        }
    }
    return false;
}

static size_t seek_own(struct imap_session *s, struct str name)
{
    for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
        if (session_is_foreign(s, name) && str_eq(name, namespace_get_name(i))) {
            return AT_NAMESPACES + i + 1;
        }
    }
    return account_seek_mailbox(s->account, name);
}

/* ---- a guest ---- */

struct listing {
    struct arena *names;
    VEC(struct mailbox_info) rows;
    size_t last; /* the row given last */
};

struct extra {
    size_t at;     /* in the account's rows: it stands before that one */
    size_t number; /* in the order of the asker's */
    struct str name;
};

/* In the making. */
struct maker {
    struct imap_session *s;
    struct listing *l;
    struct map *subscribed;   /* to anything */
    struct map *places;       /* name to its row's number, plus 1 */
    VEC(struct extra) extras; /* in the order of their places */
    size_t extra_at;          /* the next one to be pushed */
};

void listing_free(struct listing **l)
{
    if (*l != NULL) {
        arena_free(&(*l)->names);
        vec_release(&(*l)->rows);
        free(*l);
        *l = NULL;
    }
}

bool listing_has_mailbox(const struct listing *l)
{
    for (size_t i = 0; i < l->rows.count; i++) {
        if (l->rows.at[i].is_mailbox) {
            return true;
        }
    }
    return false;
}

static struct str get_full_name(const struct maker *mk, struct str name)
{
    return arena_printf(mk->l->names, "%.*s%.*s", STR_ARG(mk->s->args.prefix), STR_ARG(name));
}

/* name: in full, in the listing's arena. */
static void push(struct maker *mk, struct str name, uint64_t id, bool is_mailbox)
{
    struct mailbox_info row = {
        .name = name,
        .id = id,
        .is_mailbox = is_mailbox,
        .is_subscribed = map_find(mk->subscribed, name) != NULL,
    };
    vec_push(&mk->l->rows, row);
    (void)map_put(mk->places, name, (void *)(uintptr_t)mk->l->rows.count);
}

static bool is_visible(const struct maker *mk, const struct mailbox_info *info)
{
    struct mailbox *m = NULL;
    if (!info->is_mailbox || account_find_mailbox(mk->s->account, info->name, &m) != ERR_OK) {
        return false;
    }
    bool is_visible = session_may(mk->s, m, RIGHT_LOOKUP);
    mailbox_unref(&m);
    return is_visible;
}

static int compare_extras(const void *a, const void *b)
{
    const struct extra *x = a;
    const struct extra *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return (x->number > y->number) - (x->number < y->number);
}

/* Subscribed names that the account has no row for. */
static void find_extras(struct maker *mk, const struct str *subscribed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str name;
        struct mailbox_info info;
        if (session_get_store_name(mk->s, subscribed[i], &name) != ERR_OK) {
            continue;
        }
        struct str kept = arena_str(mk->l->names, subscribed[i]);
        size_t at = account_seek_mailbox(mk->s->account, name);
        size_t before = at - 1;
        bool is_there = at > 0 && account_next_mailbox(mk->s->account, &before, &info)
                        && str_eq(info.name, name);
        (void)map_put(mk->subscribed, kept, mk->l);
        if (!is_there) {
            struct extra x = {at, i, kept};
            vec_push(&mk->extras, x);
        }
    }
    if (mk->extras.count > 0) {
        qsort(mk->extras.at, mk->extras.count, sizeof(*mk->extras.at), compare_extras);
    }
}

static void push_extras(struct maker *mk, size_t at)
{
    for (; mk->extra_at < mk->extras.count && mk->extras.at[mk->extra_at].at == at;
         mk->extra_at++) {
        push(mk, mk->extras.at[mk->extra_at].name, 0, false);
    }
}

/* Parents know of what is visible below them. */
static void mark_parents(struct maker *mk, const struct mailbox_info *row)
{
    for (size_t i = row->name.n; i-- > 0;) {
        if (row->name.p[i] == '/') {
            size_t place = (uintptr_t)map_find(mk->places, str_sub(row->name, 0, i));
            if (place > 0) {
                mk->l->rows.at[place - 1].has_children = true;
            }
        }
    }
}

static void drop_unseen(struct listing *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->rows.count; i++) {
        const struct mailbox_info *row = &l->rows.at[i];
        if (row->is_mailbox || row->is_subscribed || row->has_children) {
            l->rows.at[kept++] = *row;
        }
    }
    l->rows.count = kept;
}

static void make_rows(struct maker *mk)
{
    struct mailbox_info info;
    struct str prefix = mk->s->args.prefix;
    if (str_find_char(prefix, '/') + 1
        < prefix.n) { /* the user's name; "Shared" is listed by whoever asks */
        push(mk, str_sub(prefix, 0, prefix.n - 1), 0, false);
    }
    size_t at = 0;
    push_extras(mk, at);
    while (account_next_mailbox(mk->s->account, &at, &info)) {
        push(mk, get_full_name(mk, info.name), info.id, is_visible(mk, &info));
        push_extras(mk, at);
    }
    for (size_t i = 0; i < mk->l->rows.count; i++) {
        if (mk->l->rows.at[i].is_mailbox) {
            mark_parents(mk, &mk->l->rows.at[i]);
        }
    }
    drop_unseen(mk->l);
}

void session_make_listing(struct imap_session *s, const struct str *subscribed, size_t count)
{
    listing_free(&s->listing);
    s->listing = mem_new(sizeof(*s->listing));
    s->listing->names = arena_new(NAMES_MOST);
    struct maker mk = {.s = s, .l = s->listing, .subscribed = map_new(), .places = map_new()};
    find_extras(&mk, subscribed, count);
    make_rows(&mk);
    map_free(&mk.subscribed);
    map_free(&mk.places);
    vec_release(&mk.extras);
}

static size_t seek_as_guest(struct listing *l, struct str name)
{
    if (l->last < l->rows.count && str_eq(l->rows.at[l->last].name, name)) {
        return l->last + 1;
    }
    for (size_t i = 0; i < l->rows.count; i++) {
        if (str_eq(l->rows.at[i].name, name)) {
            l->last = i;
            return i + 1;
        }
    }
    return l->rows.count;
}

/* ---- both ---- */

bool session_next_mailbox(struct imap_session *s, size_t *at, struct mailbox_info *out)
{
    if (!s->args.is_peer) {
        return next_own(s, at, out);
    }
    if (s->listing == NULL) {
        session_make_listing(s, NULL, 0);
    }
    if (*at >= s->listing->rows.count) {
        return false;
    }
    s->listing->last = *at;
    *out = s->listing->rows.at[(*at)++];
    return true;
}

size_t session_seek_mailbox(struct imap_session *s, struct str name)
{
    if (!s->args.is_peer) {
        return seek_own(s, name);
    }
    if (s->listing == NULL) {
        session_make_listing(s, NULL, 0);
    }
    return seek_as_guest(s->listing, name);
}
