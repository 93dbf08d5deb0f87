/* The words of the settings `relay_host` and `routes`. The supervisor asks whether they are sound before anything starts; limetta-submit
 * reads them again to act on them. */
#include "wire/next_hop.h"

enum { SMTP_PORT = 25, SMTPS_PORT = 465, LMTP_PORT = 24, PATH_MOST = 107 };

bool next_hop_parse_host(struct str text, struct str *name, uint16_t *port)
{
    uint64_t number = *port;
    bool is_bracketed = str_starts(text, STR("["));
    size_t end = is_bracketed ? str_find_char(text, ']') + 1 : str_find_char(text, ':');
    struct str rest = str_skip(text, end);
    bool is_read = text.n > 0 && end > 0 && end <= text.n;
    if (rest.n > 0) {
        is_read = is_read && rest.p[0] == ':' && str_to_u64(str_skip(rest, 1), UINT16_MAX, &number);
    }
    if (!is_read || number == 0) {
        return false;
    }
    *name = str_sub(text, 0, end);
    *port = (uint16_t)number;
    return true;
}

static bool read_tls(struct str text, struct next_hop *out)
{
    if (str_eq(text, STR("tls=off"))) {
        out->tls = NEXT_HOP_TLS_OFF;
    } else if (str_eq(text, STR("tls=required"))) {
        out->tls = NEXT_HOP_TLS_REQUIRED;
    } else {
        return text.n == 0 || str_eq(text, STR("tls=offered"));
    }
    return true;
}

static bool read_target(struct str text, struct next_hop *out)
{
    static const struct {
        struct str scheme;
        struct next_hop hop;
    } SCHEMES[] = {
        {{"smtp://", 7}, {.kind = NEXT_HOP_SMTP, .port = SMTP_PORT}},
        {{"smtps://", 8},
         {.kind = NEXT_HOP_SMTP,
          .port = SMTPS_PORT,
          .tls = NEXT_HOP_TLS_REQUIRED,
          .is_implicit = true}},
        {{"lmtp://", 7}, {.kind = NEXT_HOP_LMTP, .port = LMTP_PORT}},
    };
    for (size_t i = 0; i < sizeof(SCHEMES) / sizeof(SCHEMES[0]); i++) {
        if (str_starts(text, SCHEMES[i].scheme)) {
            struct str rest = str_skip(text, SCHEMES[i].scheme.n);
            struct str where = str_split(&rest, '?');
            *out = SCHEMES[i].hop;
            return next_hop_parse_host(where, &out->name, &out->port) && read_tls(rest, out);
        }
    }
    if (str_starts(text, STR("lmtp+unix:/"))) {
        *out = (struct next_hop){.kind = NEXT_HOP_LMTP_UNIX, .name = str_skip(text, 10)};
        return out->name.n <= PATH_MOST;
    }
    bool is_relay = str_eq(text, STR("relay"));
    *out = (struct next_hop){.kind = is_relay ? NEXT_HOP_RELAY : NEXT_HOP_MX};
    return is_relay || str_eq(text, STR("mx"));
}

bool next_hop_parse_route(struct str word, struct next_hop_route *out)
{
    size_t at = str_find_char(word, '=');
    out->pattern = str_sub(word, 0, at);
    out->target = str_skip(word, at + 1);
    return out->pattern.n > 0 && read_target(out->target, &out->hop);
}

bool next_hop_are_sound(struct str routes, struct str relays, struct str *bad)
{
    while (routes.n > 0) {
        struct next_hop_route route;
        struct str word = str_split(&routes, ' ');
        if (word.n > 0 && !next_hop_parse_route(word, &route)) {
            *bad = word;
            return false;
        }
    }
    while (relays.n > 0) {
        struct str name;
        uint16_t port = SMTP_PORT;
        struct str word = str_split(&relays, ' ');
        if (word.n > 0 && !next_hop_parse_host(word, &name, &port)) {
            *bad = word;
            return false;
        }
    }
    return true;
}
