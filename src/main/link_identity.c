/* Names and roles in link certificates, read and written.
 *
 * A certificate that says anything we do not understand is refused whole: it is either broken or from a later version, where
 * a word may take away what the others give. */
#include "main/link_identity.h"

#include "main/hosts.h"
#include "main/state.h"

static const struct str SCHEME = {"limetta://", 10};

bool link_identity_is_name(struct str name)
{
    if (name.n == 0 || name.n > LINK_NAME_MOST || str_eq(name, STR(STATE_LOCAL_NAME))) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_inner = i > 0 && i + 1 < name.n && (c == '-' || c == '.');
        if (!ascii_is_digit(c) && (c < 'a' || c > 'z') && !is_inner) {
            return false;
        }
    }
    return true;
}

enum err link_identity_parse(struct str uris, struct link_identity *out)
{
    struct link_identity i = {.roles = 0};
    struct str first = STR_EMPTY;
    if (uris.n == 0) {
        return ERR_SYNTAX;
    }
    while (uris.n > 0) {
        enum link_role role;
        struct str uri = str_split(&uris, ' ');
        struct str word = str_skip(uri, SCHEME.n);
        struct str name = str_split(&word, '/');
        if (!str_starts(uri, SCHEME) || !link_identity_is_name(name)
            || !hosts_find_role(word, &role) || (first.n > 0 && !str_eq(first, name))) {
            return ERR_SYNTAX;
        }
        first = name;
        i.roles |= 1U << role;
    }
    memcpy(i.name, first.p, first.n);
    *out = i;
    return ERR_OK;
}

void link_identity_write(const struct link_identity *i, struct buf *out)
{
    static const enum link_role ROLES[] = {ROLE_EDGE, ROLE_AUTH, ROLE_STORE, ROLE_SUBMIT};
    static const char *const WORDS[] = {"edge", "auth", "store", "submit"};
    for (size_t r = 0; r < sizeof(ROLES) / sizeof(ROLES[0]); r++) {
        if ((i->roles >> ROLES[r] & 1) != 0) {
            buf_addf(out, "%sURI:%s%s/%s", out->len > 0 ? "," : "", SCHEME.p, i->name, WORDS[r]);
        }
    }
}
