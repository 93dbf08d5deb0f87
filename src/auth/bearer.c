/* OAUTHBEARER and XOAUTH2, read.
 *
 *     OAUTHBEARER   n,a=anna@example.org,^Ahost=mail.example.org^Aport=143^Aauth=Bearer TOKEN^A^A
 *     XOAUTH2       user=anna@example.org^Aauth=Bearer TOKEN^A^A
 *
 * ^A is the octet 1. Both are pairs of key and value; the first has the header of RFC 5801 in front, with the name escaped as in SCRAM
 * (=2C is a comma, =3D an equals sign). host and port are the client's view of where it came to, and prove nothing, so they are read
 * and forgotten. What a token may consist of is RFC 6750, 2.1; whether it is any good only its issuer knows.
 *
 * A client whose token does not do hears why, in JSON, answers with nothing that matters, and then hears the failure. */
#include "auth/bearer.h"

#include "base/scan.h"

#include <string.h>

static const char PAIR_END = 1;

static enum err add_user(struct bearer *b, char c)
{
    if (b->user.n == sizeof(b->user_octets)) {
        return ERR_TOO_LONG;
    }
    b->user_octets[b->user.n++] = c;
    b->user.p = b->user_octets;
    return ERR_OK;
}

/* saslname of RFC 5801, 4. */
static enum err read_saslname(struct str name, struct bearer *b)
{
    while (name.n > 0) {
        char c = name.p[0];
        size_t used = 1;
        if (c == '=') {
            bool is_comma = str_starts(name, STR("=2C"));
            if (!is_comma && !str_starts(name, STR("=3D"))) {
                return ERR_SYNTAX;
            }
            c = is_comma ? ',' : '=';
            used = 3;
        }
        if (c == '\0' || c == PAIR_END) {
            return ERR_SYNTAX;
        }
        TRY(add_user(b, c));
        name = str_skip(name, used);
    }
    return ERR_OK;
}

/* gs2-header: flag "," [ "a=" saslname ] "," */
static enum err read_header(struct str *rest, struct bearer *b)
{
    size_t first = str_find_char(*rest, ',');
    if (first != 1 || (rest->p[0] != 'n' && rest->p[0] != 'y')) {
        return ERR_SYNTAX;
    }
    *rest = str_skip(*rest, 2);
    size_t second = str_find_char(*rest, ',');
    if (second == rest->n) {
        return ERR_SYNTAX;
    }
    struct str name = str_sub(*rest, 0, second);
    *rest = str_skip(*rest, second + 1);
    if (name.n == 0) {
        return ERR_OK;
    }
    return str_starts(name, STR("a=")) && name.n > 2 ? read_saslname(str_skip(name, 2), b)
                                                     : ERR_SYNTAX;
}

/* b64token of RFC 6750, 2.1 */
static bool is_token(struct str s)
{
    static const char OTHERS[] = "-._~+/";
    size_t n = s.n;
    while (n > 0 && s.p[n - 1] == '=') {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && memchr(OTHERS, c, sizeof(OTHERS) - 1) == NULL) {
            return false;
        }
    }
    return n > 0;
}

static enum err read_auth(struct str value, struct bearer *b)
{
    static const char SCHEME[] = "Bearer ";
    if (!str_starts_nocase(value, STR("Bearer ")) || b->token.n > 0) {
        return ERR_SYNTAX;
    }
    b->token = str_skip(value, sizeof(SCHEME) - 1);
    while (str_starts(b->token, STR(" "))) {
        b->token = str_skip(b->token, 1);
    }
    return is_token(b->token) ? ERR_OK : ERR_SYNTAX;
}

static enum err read_user(struct str value, struct bearer *b)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\0') {
            return ERR_SYNTAX;
        }
        TRY(add_user(b, value.p[i]));
    }
    return ERR_OK;
}

static enum err read_pair(struct str pair, bool is_x, struct bearer *b)
{
    size_t at = str_find_char(pair, '=');
    if (at == 0 || at == pair.n) {
        return ERR_SYNTAX;
    }
    struct str key = str_sub(pair, 0, at);
    struct str value = str_skip(pair, at + 1);
    if (str_eq(key, STR("auth"))) {
        return read_auth(value, b);
    }
    return is_x && str_eq(key, STR("user")) ? read_user(value, b) : ERR_OK;
}

enum err bearer_parse(struct str message, bool is_x, struct bearer *out)
{
    struct str rest = message;
    *out = (struct bearer){.user = STR_EMPTY};
    if (!is_x) {
        TRY(read_header(&rest, out));
        if (!str_starts(rest, str_make(&PAIR_END, 1))) {
            return ERR_SYNTAX;
        }
        rest = str_skip(rest, 1);
    }
    while (rest.n > 0 && rest.p[0] != PAIR_END) {
        size_t end = str_find_char(rest, PAIR_END);
        if (end == rest.n) {
            return ERR_SYNTAX; /* each pair has its end */
        }
        TRY(read_pair(str_sub(rest, 0, end), is_x, out));
        rest = str_skip(rest, end + 1);
    }
    return rest.n == 1 && out->token.n > 0 ? ERR_OK : ERR_SYNTAX;
}

void bearer_write_refusal(struct buf *out, bool is_x, struct str scope, struct str configuration)
{
    buf_add_c(out, is_x ? "{\"status\":\"401\",\"schemes\":\"bearer\""
                        : "{\"status\":\"invalid_token\"");
    if (scope.n > 0) {
        buf_addf(out, ",\"scope\":\"%.*s\"", STR_ARG(scope));
    }
    if (configuration.n > 0 && !is_x) {
        buf_addf(out, ",\"openid-configuration\":\"%.*s\"", STR_ARG(configuration));
    }
    buf_add_char(out, '}');
}
