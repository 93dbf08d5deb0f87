/* Whom the load generator may load.
 *
 * A tool that floods servers must not be of use against other people's. So it takes only:
 *
 *   loopback                     127.0.0.0/8 and ::1, always
 *   addresses of private use     when this process lives in a network namespace that is not the machine's first one, as
 *                                tests make them: traffic then goes where the test laid cables, and nowhere else
 *
 * "The first one" is what process 1 lives in: /proc/self/ns/net and /proc/1/ns/net are compared. Who may not look at that (not root), or
 * has no /proc, counts as living in it. In a container process 1 is the container's own, so a container's network counts as the first
 * one, too. Addresses of private use are those that no host of the Internet can have: RFC 1918, RFC 6598, RFC 2544, RFC 5737, RFC 3849,
 * RFC 4193, link-local. So even a namespace with a way out does not lead to anybody else. */
#include "target.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct range {
    uint32_t network;
    uint32_t mask;
};

static const struct range PRIVATE[] = {
    {0x0a000000, 0xff000000}, /* 10/8 */
    {0xac100000, 0xfff00000}, /* 172.16/12 */
    {0xc0a80000, 0xffff0000}, /* 192.168/16 */
    {0x64400000, 0xffc00000}, /* 100.64/10 */
    {0xc6120000, 0xfffe0000}, /* 198.18/15 */
    {0xc0000200, 0xffffff00}, /* 192.0.2/24 */
    {0xc6336400, 0xffffff00}, /* 198.51.100/24 */
    {0xcb007100, 0xffffff00}, /* 203.0.113/24 */
    {0xa9fe0000, 0xffff0000}, /* 169.254/16 */
};

static bool read_port(const char *text, in_port_t *out)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);
    *out = htons((uint16_t)n);
    return *text != '\0' && *end == '\0' && n > 0 && n <= UINT16_MAX;
}

bool target_parse(const char *text, struct sockaddr_storage *out, socklen_t *size)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool is_v6 = text[0] == '[';
    const char *start = is_v6 ? text + 1 : text;
    const char *end = strchr(start, is_v6 ? ']' : ':');
    if (end == NULL || (size_t)(end - start) >= sizeof(host)) {
        return false;
    }
    memcpy(host, start, (size_t)(end - start));
    memset(out, 0, sizeof(*out));
    const char *port = is_v6 ? end + 1 : end;
    if (*port != ':') {
        return false;
    }
    if (is_v6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        *size = sizeof(*v6);
        return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1
               && read_port(port + 1, &v6->sin6_port);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    *size = sizeof(*v4);
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 && read_port(port + 1, &v4->sin_port);
}

static bool is_loopback(const struct sockaddr_storage *to)
{
    if (to->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_private(const struct sockaddr_storage *to)
{
    if (to->ss_family == AF_INET6) {
        const uint8_t *a = ((const struct sockaddr_in6 *)to)->sin6_addr.s6_addr;
        bool is_local = (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
        return is_local || (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8);
    }
    uint32_t ip = ntohl(((const struct sockaddr_in *)to)->sin_addr.s_addr);
    for (size_t i = 0; i < sizeof(PRIVATE) / sizeof(PRIVATE[0]); i++) {
        if ((ip & PRIVATE[i].mask) == PRIVATE[i].network) {
            return true;
        }
    }
    return false;
}

static bool is_in_first_namespace(void)
{
    char ours[PATH_MAX] = "";
    char first[PATH_MAX] = "";
    ssize_t a = readlink("/proc/self/ns/net", ours, sizeof(ours) - 1);
    ssize_t b = readlink("/proc/1/ns/net", first, sizeof(first) - 1);
    return a <= 0 || b <= 0 || strcmp(ours, first) == 0;
}

const char *target_find_objection(const struct sockaddr_storage *to)
{
    if (is_loopback(to)) {
        return NULL;
    }
    if (!is_private(to)) {
        return "not loopback, and no address of private use";
    }
    return is_in_first_namespace() ? "not loopback, and this is the machine's own network: only in "
                                     "namespaces that a test made"
                                   : NULL;
}
