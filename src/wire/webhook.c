/* The allow-list of web hooks.
 *
 * What is compared is not text but parts: scheme, host, port, and whole segments of the path; and whatever two readers of URLs might
 * read differently is refused, so that the part which is checked here is the part that is used there (net/http.h). The host's
 * address is checked once more when it is known: a public name that stands for a private address is the oldest way in. */
#include "wire/webhook.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { HTTPS_PORT = 443, HOST_MOST = 255 };

/* ---- URLs ---- */

static bool is_host_octet(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.';
}

static bool is_name(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        if (!is_host_octet(host.p[i])) {
            return false;
        }
    }
    return host.n > 0 && host.n <= HOST_MOST && host.p[0] != '.' && host.p[host.n - 1] != '.';
}

static bool is_hex_or_colon(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (ascii_hex_value(s.p[i]) < 0 && s.p[i] != ':' && s.p[i] != '.') {
            return false;
        }
    }
    return s.n > 0;
}

/* Takes the host off *authority, with its brackets. */
static bool take_host(struct str *authority, struct str *host)
{
    if (!str_starts(*authority, STR("["))) {
        size_t colon = str_find_char(*authority, ':');
        *host = str_sub(*authority, 0, colon);
        *authority = str_skip(*authority, colon);
        return is_name(*host);
    }
    size_t end = str_find_char(*authority, ']');
    *host = str_sub(*authority, 1, end > 1 ? end - 1 : 0);
    *authority = str_skip(*authority, end + 1);
    return is_hex_or_colon(*host);
}

static bool read_authority(struct str authority, struct webhook_url *out)
{
    uint64_t port = HTTPS_PORT;
    if (!take_host(&authority, &out->host)) {
        return false;
    }
    if (authority.n > 0
        && (authority.p[0] != ':' || !str_to_u64(str_skip(authority, 1), UINT16_MAX, &port))) {
        return false;
    }
    out->port = (uint16_t)port;
    return port > 0;
}

/* "%2e", "%2F", "%5c", "%25", or a "%" without two digits. */
static bool is_escape_bad(struct str s)
{
    int high = s.n > 1 ? ascii_hex_value(s.p[1]) : -1;
    int low = s.n > 2 ? ascii_hex_value(s.p[2]) : -1;
    if (high < 0 || low < 0) {
        return true;
    }
    int c = high * 16 + low;
    return c == '.' || c == '/' || c == '\\' || c == '%' || c < 0x20 || c == 0x7f;
}

static bool is_path_plain(struct str path)
{
    struct str segments = str_sub(path, 0, str_find_char(path, '?'));
    for (size_t i = 0; i < segments.n; i++) {
        if (segments.p[i] == '\\'
            || (segments.p[i] == '%' && is_escape_bad(str_skip(segments, i)))) {
            return false;
        }
    }
    while (segments.n > 0) {
        struct str segment = str_split(&segments, '/');
        if (str_eq(segment, STR(".")) || str_eq(segment, STR(".."))) {
            return false;
        }
    }
    return true;
}

bool webhook_parse(struct str url, struct webhook_url *out)
{
    if (url.n > WEBHOOK_URL_MOST || !str_starts_nocase(url, STR("https://"))) {
        return false;
    }
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("\"<>\\^`{|}#", url.p[i]) != NULL) {
            return false;
        }
    }
    struct str rest = str_skip(url, 8);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?') {
        end++;
    }
    out->path = str_skip(rest, end);
    return read_authority(str_sub(rest, 0, end), out) && is_path_plain(out->path);
}

/* path is prefix, or goes on behind it with another segment or a query. */
static bool is_below(struct str path, struct str prefix)
{
    if (prefix.n == 0 || str_eq(prefix, STR("/"))) {
        return true;
    }
    if (!str_starts(path, prefix)) {
        return false;
    }
    struct str rest = str_skip(path, prefix.n);
    return rest.n == 0 || prefix.p[prefix.n - 1] == '/' || rest.p[0] == '/' || rest.p[0] == '?';
}

bool webhook_is_allowed(struct str list, struct str url)
{
    struct webhook_url asked;
    struct webhook_url allowed;
    if (!webhook_parse(url, &asked)) {
        return false;
    }
    while (list.n > 0) {
        struct str word = str_split(&list, ' ');
        if (webhook_parse(word, &allowed) && str_eq_nocase(asked.host, allowed.host)
            && asked.port == allowed.port && is_below(asked.path, allowed.path)) {
            return true;
        }
    }
    return false;
}

/* ---- addresses ---- */

struct net {
    uint8_t octets[16];
    unsigned bits;
};

static bool is_within(const uint8_t *address, const struct net *net)
{
    for (unsigned bit = 0; bit < net->bits; bit++) {
        if (((address[bit / 8] ^ net->octets[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

/* IANA's registry of IPv4 addresses that are not global. */
static bool is_public_v4(const uint8_t *a)
{
    static const struct net SPECIAL[] = {
        {{0}, 8},
        {{10}, 8},
        {{100, 64}, 10},
        {{127}, 8},
        {{169, 254}, 16},
        {{172, 16}, 12},
        {{192, 0, 0}, 24},
        {{192, 0, 2}, 24},
        {{192, 88, 99}, 24},
        {{192, 168}, 16},
        {{198, 18}, 15},
        {{198, 51, 100}, 24},
        {{203, 0, 113}, 24},
        {{224}, 3},
    };
    for (size_t i = 0; i < sizeof(SPECIAL) / sizeof(SPECIAL[0]); i++) {
        if (is_within(a, &SPECIAL[i])) {
            return false;
        }
    }
    return true;
}

/* Only 2000::/3 is given out; of it, what leads to IPv4 or is kept for documents is not public either. */
static bool is_public_v6(const uint8_t *a)
{
    static const struct net GLOBAL = {{0x20}, 3};
    static const struct net SPECIAL[] = {
        {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments, Teredo among them */
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documents */
        {{0x20, 0x02}, 16},             /* 6to4 */
        {{0x3f, 0xff, 0x00}, 20},       /* documents */
    };
    for (size_t i = 0; i < sizeof(SPECIAL) / sizeof(SPECIAL[0]); i++) {
        if (is_within(a, &SPECIAL[i])) {
            return false;
        }
    }
    return is_within(a, &GLOBAL);
}

/* The address's octets; their number, 0: it is of another family. A mapped one is the IPv4 address. */
static size_t get_octets(const struct sockaddr_storage *at, uint8_t out[16])
{
    static const struct net MAPPED = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
    if (at->ss_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)at)->sin_addr, 4);
        return 4;
    }
    if (at->ss_family != AF_INET6) {
        return 0;
    }
    memcpy(out, &((const struct sockaddr_in6 *)at)->sin6_addr, 16);
    if (!is_within(out, &MAPPED)) {
        return 16;
    }
    memmove(out, out + 12, 4);
    return 4;
}

/* The address that text is; its octets' number, 0: it is none. */
static size_t read_address(struct str text, uint8_t out[16])
{
    char c[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof(c)) {
        return 0;
    }
    memcpy(c, text.p, text.n);
    c[text.n] = '\0';
    if (inet_pton(AF_INET, c, out) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, c, out) == 1 ? 16 : 0;
}

bool webhook_may_reach(struct str list, const struct sockaddr_storage *at)
{
    uint8_t address[16];
    size_t n = get_octets(at, address);
    if (n == 0) {
        return false;
    }
    while (list.n > 0) {
        struct str word = str_split(&list, ' ');
        struct webhook_url url;
        uint8_t listed[16];
        struct str text = webhook_parse(word, &url) ? url.host : word;
        if (read_address(text, listed) == n && memcmp(listed, address, n) == 0) {
            return true;
        }
    }
    return n == 4 ? is_public_v4(address) : is_public_v6(address);
}

bool webhook_is_sound(struct str list, struct str *bad)
{
    while (list.n > 0) {
        struct webhook_url url;
        uint8_t octets[16];
        struct str word = str_split(&list, ' ');
        bool is_fine = word.n == 0 || webhook_parse(word, &url) || read_address(word, octets) > 0;
        if (!is_fine) {
            *bad = word;
            return false;
        }
    }
    return true;
}
