/* A BURL names a host, and we would log in there with the submission entity's password: so hosts are not taken on
 * trust. The list of allowed hosts starts with those that the configuration names, each by one name, at its port or the standard
 * one, which something may forward to it; then comes our own store, called by one of its configured names (ports likewise), or
 * by the address that the client itself reached us at and the port that the store listens on: just as the store itself judges.
 *
 * A URL only chooses among these: where the connection goes, and whose certificate is asked for, stands in the configuration.
 * So a host is one of them when its octets are those of the name, without case, and there is nothing to be gained by
 * writing it in another way: another spelling (a percent sign, a dot at the end, an address) is another host. For our own store
 * the connection goes to the address that the client came to, so no name server can lead the password astray.
 *
 * The URL must carry a token. submit+<userid> opens for the submission entity on behalf of that user alone, and it is
 * ours, not the store's, to compare (RFC 4468, 3.3; the store sees only the entity). authuser and anonymous URLs are open to
 * any authenticated user, so to this one. user+<userid> is not for a submission entity, stream not for mail. */
#include "smtp/burl.h"

#include "wire/imap_url.h"

enum { IMAP_PORT = 143 };

static const struct burl_host *find_host(const struct burl_policy *p, const struct imap_url *u)
{
    uint16_t port = u->port == 0 ? IMAP_PORT : u->port;
    for (size_t i = 0; i < p->host_count; i++) {
        const struct burl_host *h = &p->hosts[i];
        if (str_eq_nocase(h->name, u->host) && (port == h->port || port == IMAP_PORT)) {
            return h;
        }
    }
    return NULL;
}

static bool is_own_host(const struct burl_policy *p, const struct imap_url *u)
{
    struct str host = u->host;
    uint16_t port = u->port == 0 ? IMAP_PORT : u->port;
    if (str_has_word_nocase(p->host_names, host)) {
        return port == p->imap_port || port == IMAP_PORT;
    }
    if (port != p->imap_port) {
        return false;
    }
    if (host.n > 2 && host.p[0] == '[') {
        host = str_sub(host, 1, host.n - 2);
    }
    return p->local.n > 0 && str_eq_nocase(host, p->local);
}

static bool is_for_us(const struct burl_policy *p, const struct imap_url *u)
{
    if (u->token.n == 0) {
        return false;
    }
    if (u->access == IMAP_ACCESS_SUBMIT) {
        return u->has_access_user && str_eq(u->access_user, p->user);
    }
    return u->access == IMAP_ACCESS_AUTHUSER || u->access == IMAP_ACCESS_ANONYMOUS;
}

static bool is_plain(struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] <= ' ' || url.p[i] > '~') {
            return false;
        }
    }
    return true;
}

enum err burl_check(struct arena *a, struct str url, const struct burl_policy *policy,
                    struct burl_target *out)
{
    struct imap_url u = {0};
    TRY(imap_url_parse(a, url, &u));
    if (u.form != IMAP_URL_ABSOLUTE || u.uid == 0 || !is_plain(url)) {
        return ERR_BAD_URL;
    }
    const struct burl_host *host = find_host(policy, &u);
    if (host == NULL && !is_own_host(policy, &u)) {
        return ERR_NO_TRUST;
    }
    if (!is_for_us(policy, &u)) {
        return ERR_URL_REFUSED;
    }
    *out = (struct burl_target){url, host, policy->local, policy->imap_port, false};
    return ERR_OK;
}
