/* Addresses of connections: text for the roles behind, and the questions that limits and policies ask.
 *
 * One form for both families, so that a client is the same one whether it came by IPv4 or, on a dual-stack socket, by
 * IPv4 in an IPv6 coat. IPv6 sites get a /64 and every host in it has more addresses than we could count, so that is
 * the unit there. */
#include "edge/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t SELF[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

struct address address_from_sockaddr(const struct sockaddr_storage *a)
{
    struct address out = {.port = 0};
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
        memcpy(out.ip, MAPPED, sizeof(MAPPED));
        memcpy(out.ip + sizeof(MAPPED), &v4->sin_addr, 4);
        out.port = ntohs(v4->sin_port);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
        memcpy(out.ip, &v6->sin6_addr, sizeof(out.ip));
        out.port = ntohs(v6->sin6_port);
    }
    return out;
}

static bool is_v4(const struct address *a)
{
    return memcmp(a->ip, MAPPED, sizeof(MAPPED)) == 0;
}

void address_write(struct buf *out, const struct address *a)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (is_v4(a)) {
        (void)inet_ntop(AF_INET, a->ip + sizeof(MAPPED), text, sizeof(text));
    } else {
        (void)inet_ntop(AF_INET6, a->ip, text, sizeof(text));
    }
    buf_add_c(out, text);
}

bool address_is_self(const struct address *peer, const struct address *local)
{
    static const uint8_t NOBODY[16] = {0};
    return memcmp(peer->ip, local->ip, sizeof(peer->ip)) == 0
           && memcmp(peer->ip, NOBODY, sizeof(NOBODY)) != 0;
}

bool address_is_loopback(const struct address *peer, const struct address *local)
{
    if (is_v4(peer) && peer->ip[12] == 127) {
        return true;
    }
    if (memcmp(peer->ip, SELF, sizeof(SELF)) == 0) {
        return true;
    }
    return address_is_self(peer, local);
}

struct str address_get_neighbour(const struct address *a)
{
    return str_make((const char *)a->ip, is_v4(a) ? sizeof(a->ip) : 8);
}

struct str address_get_prefix(const struct address *a)
{
    return str_make((const char *)a->ip, is_v4(a) ? sizeof(a->ip) - 1 : 6);
}
