/* Networks as text, compared bit by bit. Both families are brought to 16 octets first, IPv4 as IPv4-mapped IPv6 (RFC 4291,
 * 2.5.5.2), so that there is one comparison; a prefix of IPv4 is then 96 bits longer. */
#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { IP_SIZE = 16, V4_OFFSET = 12, V4_BITS = 32, V6_BITS = 128 };

static const unsigned char MAPPED[V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct network {
    unsigned char ip[IP_SIZE];
    unsigned bits;
};

static bool parse(struct str word, struct network *out)
{
    char text[INET6_ADDRSTRLEN];
    struct str rest = word;
    struct str ip = str_split(&rest, '/');
    bool has_bits = ip.n < word.n;
    uint64_t bits = V6_BITS;
    (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(ip));
    memcpy(out->ip, MAPPED, sizeof(MAPPED));
    bool is_v4 = inet_pton(AF_INET, text, out->ip + V4_OFFSET) == 1;
    if (ip.n >= sizeof(text) || (!is_v4 && inet_pton(AF_INET6, text, out->ip) != 1)) {
        return false;
    }
    if (has_bits && !str_to_u64(rest, is_v4 ? V4_BITS : V6_BITS, &bits)) {
        return false;
    }
    out->bits = (unsigned)bits + (is_v4 && has_bits ? V6_BITS - V4_BITS : 0);
    return true;
}

static bool read_peer(const struct sockaddr_storage *peer, unsigned char ip[IP_SIZE])
{
    if (peer->ss_family == AF_INET) {
        memcpy(ip, MAPPED, sizeof(MAPPED));
        memcpy(ip + V4_OFFSET, &((const struct sockaddr_in *)peer)->sin_addr, IP_SIZE - V4_OFFSET);
    } else if (peer->ss_family == AF_INET6) {
        memcpy(ip, &((const struct sockaddr_in6 *)peer)->sin6_addr, IP_SIZE);
    }
    return peer->ss_family == AF_INET || peer->ss_family == AF_INET6;
}

static bool is_inside(const struct network *n, const unsigned char ip[IP_SIZE])
{
    unsigned whole = n->bits / 8;
    unsigned rest = n->bits % 8;
    unsigned mask = 0xffU << (8 - rest) & 0xffU;
    return memcmp(n->ip, ip, whole) == 0 && (rest == 0 || ((n->ip[whole] ^ ip[whole]) & mask) == 0);
}

bool network_check(struct str list, struct str *bad)
{
    struct network n;
    while (list.n > 0) {
        *bad = str_split(&list, ' ');
        if (bad->n > 0 && !parse(*bad, &n)) {
            return false;
        }
    }
    return true;
}

bool network_has(struct str list, const struct sockaddr_storage *peer)
{
    struct network n;
    unsigned char ip[IP_SIZE];
    if (!read_peer(peer, ip)) {
        return false;
    }
    while (list.n > 0) {
        struct str word = str_split(&list, ' ');
        if (word.n > 0 && parse(word, &n) && is_inside(&n, ip)) {
            return true;
        }
    }
    return false;
}
