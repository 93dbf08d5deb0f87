/* Which account gets the mail for an address.
 *
 * An account may be named like a whole address ("anna@example.org") or like its local part ("anna"), which then is hers in
 * every local domain; the whole address is asked for first. "+detail" is no part of either (RFC 5233). Entities, such as
 * the submission server's own login, get no mail. */
#include "auth/lookup.h"

#include "auth/names.h"

static bool is_local_domain(struct str domains, struct str domain)
{
    struct str rest = domains;
    while (rest.n > 0) {
        struct str one = str_split(&rest, ' ');
        if (one.n > 0 && str_eq_nocase(one, domain)) {
            return true;
        }
    }
    return false;
}

/* Appends the account when there is a person of that name. */
static bool find_person(struct users *u, struct str name, struct buf *out)
{
    size_t before = out->len;
    enum user_kind kind;
    if (name_prepare(name, false, out) != ERR_OK) {
        return false;
    }
    struct str prepared = str_skip(buf_str(out), before);
    if (users_find(u, prepared, NULL, &kind) == ERR_OK && kind == USER_PERSON) {
        return true;
    }
    buf_truncate(out, before);
    return false;
}

bool lookup_account(struct users *u, struct str domains, struct str postmaster, struct str address,
                    struct buf *out)
{
    struct buf local = BUF_INIT(2 * NAME_MOST);
    struct buf whole = BUF_INIT(LOOKUP_ACCOUNT_MOST);
    struct str domain = STR_EMPTY;
    bool is_found = false;
    if (address_split(address, &local, &domain) == ERR_OK && is_local_domain(domains, domain)) {
        buf_add(&whole, buf_str(&local));
        buf_add_char(&whole, '@');
        buf_add(&whole, domain);
        is_found = find_person(u, buf_str(&whole), out) || find_person(u, buf_str(&local), out);
        if (!is_found && str_eq_nocase(buf_str(&local), STR("postmaster"))) {
            is_found = postmaster.n > 0 && find_person(u, postmaster, out);
        }
    }
    buf_release(&local);
    buf_release(&whole);
    return is_found;
}
