/* Names and rights.
 *
 * A session belongs to an account, whose mailboxes have names of their own there; and it speaks the names of whoever
 * asks. For an owner both are the same, but for the namespaces of others (RFC 2342), which are not in the account. A guest's
 * names all begin with the prefix of the account it is in.
 *
 * Errors are no oracle: without the right to look a mailbox up, whatever is asked of it is answered as if there were none
 * (RFC 4314, 6). With it, what is not allowed is NOPERM. */
#include "imap/access.h"

#include "imap/session_priv.h"

#define OTHER_USERS "Other Users"
#define SHARED "Shared"

/* RFC 4314, 4: MYRIGHTS needs one of these. */
enum {
    RIGHTS_ANY = RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT | RIGHT_CREATE | RIGHT_DELETE_MAILBOX
                 | RIGHT_ADMINISTER
};

bool session_is_guest(const struct imap_session *s)
{
    return !str_eq(s->args.asker, s->args.user);
}

unsigned session_get_rights(const struct imap_session *s, const struct mailbox *m)
{
    return session_is_guest(s) ? mailbox_get_rights(m, s->args.asker) : RIGHT_ALL;
}

bool session_may(const struct imap_session *s, const struct mailbox *m, unsigned rights)
{
    return (session_get_rights(s, m) & rights) == rights;
}

uint64_t rights_get_flags(unsigned rights)
{
    uint64_t flags = rights & RIGHT_WRITE ? ~(FLAG_SEEN | FLAG_DELETED) : 0;
    flags |= rights & RIGHT_SEEN ? FLAG_SEEN : 0;
    return flags | (rights & RIGHT_DELETE_MESSAGES ? FLAG_DELETED : 0);
}

/* ---- names ---- */

struct place session_find_place(const struct imap_session *s, struct str name)
{
    if (s->args.shared_account.n > 0 && str_starts(name, STR(SHARED "/"))) {
        return (struct place){s->args.shared_account, STR(SHARED "/")};
    }
    if (str_starts(name, STR(OTHER_USERS "/"))) {
        struct str rest = str_skip(name, STR(OTHER_USERS "/").n);
        struct str owner = str_sub(rest, 0, str_find_char(rest, '/'));
        if (owner.n > 0 && owner.n < rest.n) {
            return (struct place){owner, str_sub(name, 0, name.n - rest.n + owner.n + 1)};
        }
    }
    return (struct place){s->args.asker, STR_EMPTY};
}

bool session_is_place(const struct imap_session *s, const struct place *p)
{
    return str_eq(p->owner, s->args.user) && str_eq(p->prefix, s->args.prefix);
}

struct str namespace_get_name(size_t i)
{
    return i == 0 ? STR(OTHER_USERS) : STR(SHARED);
}

bool session_is_foreign(const struct imap_session *s, struct str name)
{
    struct str first = str_sub(name, 0, str_find_char(name, '/'));
    return str_eq(first, STR(OTHER_USERS))
           || (s->args.shared_account.n > 0 && str_eq(first, STR(SHARED)));
}

enum err session_get_store_name(const struct imap_session *s, struct str name, struct str *out)
{
    struct place p = session_find_place(s, name);
    if (!session_is_place(s, &p) || name.n == p.prefix.n
        || (p.prefix.n == 0 && session_is_foreign(s, name))) {
        return ERR_NO_MAILBOX;
    }
    *out = str_skip(name, p.prefix.n);
    return ERR_OK;
}

/* ---- rights ---- */

static enum err check_rights(const struct imap_session *s, const struct mailbox *m, unsigned rights)
{
    unsigned has = session_get_rights(s, m);
    bool may = rights == 0 ? (has & RIGHTS_ANY) != 0 : (has & rights) == rights;
    if (may) {
        return ERR_OK;
    }
    return has & RIGHT_LOOKUP ? ERR_NO_PERMISSION : ERR_NO_MAILBOX;
}

enum err session_find_mailbox(const struct imap_session *s, struct str name, unsigned rights,
                              struct mailbox **out)
{
    struct str store_name;
    struct mailbox *m = NULL;
    TRY(session_get_store_name(s, name, &store_name));
    TRY(account_find_mailbox(s->account, store_name, &m));
    enum err e = check_rights(s, m, rights);
    if (e != ERR_OK) {
        mailbox_unref(&m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

enum err session_check_create(const struct imap_session *s, struct str store_name)
{
    if (!session_is_guest(s)) {
        return ERR_OK;
    }
    const struct mailbox *parent = account_find_parent(s->account, store_name);
    return parent != NULL && session_may(s, parent, RIGHT_CREATE) ? ERR_OK : ERR_NO_PERMISSION;
}
