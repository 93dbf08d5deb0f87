/* What a new configuration changes, and how much of the server must begin anew for it.
 *
 *     now     running roles take it: log level, the certificate, limits of the edge
 *     roles   told to roles that can be started under their clients (limetta restart), and not to the edge
 *     all     told to the edge, or used by the supervisor: ports, names, the number of workers
 *
 * Of the last kind the old value stays in force, whoever is started meanwhile: half of a system with a new host name is worse than all
 * of it with the old one. Names of settings are told, never values: some are passwords.
 *
 * A certificate is taken when it could be used: it parses, its key fits, the edge's own TLS code takes it, and it counts now. A server
 * that starts takes an expired one, too, for it has no better one; a running one has. */
#include "main/reload.h"

#include "main/certificate.h"
#include "main/control.h"
#include "main/process.h"
#include "main/serve.h"
#include "net/fields.h"
#include "net/tls.h"
#include "tools/tool.h"

#include <time.h>

enum { EDGE_BIT = 1 << ROLE_EDGE, NAMES_MOST = 256 };

/* Settings whose files or meanings roles get in another form. */
static const struct {
    enum config_id id;
    unsigned roles; /* 0: none must be started for it */
} ELSEWHERE[] = {
    {CONFIG_log_file, 0},
    {CONFIG_tls_cert, 0},
    {CONFIG_tls_key, 0},
    {CONFIG_tls_self_signed, 0},
    {CONFIG_submit_entities, 1 << ROLE_STORE},
    {CONFIG_sieve_before, 1 << ROLE_STORE},
    {CONFIG_sieve_after, 1 << ROLE_STORE},
    {CONFIG_notify_webhooks_ca, 1 << ROLE_SUBMIT},
    {CONFIG_tls_anchors, 1 << ROLE_SUBMIT},
    {CONFIG_link_cert, 1 << ROLE_GATE},
    {CONFIG_link_key, 1 << ROLE_GATE},
    {CONFIG_link_ca, 1 << ROLE_GATE},
};

/* Told to some roles, but needed alike in all of them and in the supervisor. */
static bool is_for_all(enum config_id id)
{
    return id == CONFIG_workers || id == CONFIG_hostname || id == CONFIG_host_names
           || id == CONFIG_domains || id == CONFIG_roles || id == CONFIG_store_workers;
}

/* The roles that must be started anew; is_whole: everything. */
static unsigned find_roles(enum config_id id, bool *is_whole)
{
    *is_whole = false;
    if (process_is_taken_anew(id)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(ELSEWHERE) / sizeof(ELSEWHERE[0]); i++) {
        if (ELSEWHERE[i].id == id) {
            return ELSEWHERE[i].roles;
        }
    }
    unsigned roles = process_get_told(id);
    *is_whole = roles == 0 || (roles & EDGE_BIT) != 0 || is_for_all(id);
    return roles;
}

static void report_setting(struct buf *report, const char *name, unsigned roles, bool is_whole)
{
    CLEANUP(buf_release) struct buf names = BUF_INIT(NAMES_MOST);
    for (unsigned i = 0; i < ROLE_COUNT && !is_whole; i++) {
        if ((roles >> i & 1) != 0) {
            buf_addf(&names, "%s%s", names.len > 0 ? " " : "",
                     control_role_name((enum link_role)i));
        }
    }
    fields_add(report, STR("type"), STR("setting"));
    fields_add(report, STR("name"), str_from_c(name));
    fields_add(report, STR("takes"),
               is_whole     ? STR("all")
               : roles != 0 ? STR("roles")
                            : STR("now"));
    fields_add(report, STR("roles"), buf_str(&names));
    buf_add_char(report, '\n');
}

static bool is_burl_new(const struct config *now, const struct config *fresh)
{
    for (size_t i = 0; i < CONFIG_BURL_MOST; i++) {
        if (!str_eq(config_get_burl(now, i), config_get_burl(fresh, i))) {
            return true;
        }
    }
    return false;
}

static bool is_link_new(const struct config *now, const struct config *fresh)
{
    for (size_t i = 0; i < CONFIG_LINK_MOST; i++) {
        if (!str_eq(config_get_link(now, i), config_get_link(fresh, i))) {
            return true;
        }
    }
    return false;
}

/* Says what differs, and keeps what cannot change. */
static void compare(const struct config *now, struct config *fresh, struct buf *report)
{
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        enum config_id id = (enum config_id)i;
        bool is_whole = false;
        if (str_eq(config_get(now, id), config_get(fresh, id))) {
            continue;
        }
        unsigned roles = find_roles(id, &is_whole);
        report_setting(report, config_get_key(id)->name, roles, is_whole);
        if (is_whole) {
            config_set(fresh, id, config_get(now, id));
        }
    }
    if (is_burl_new(now, fresh)) {
        report_setting(report, "burl", 1 << ROLE_SUBMIT, false);
    }
    if (is_link_new(now, fresh)) {
        report_setting(report, "link", 1 << ROLE_GATE, false);
    }
}

static int check_certificate(const struct reload *r, int64_t *until_s)
{
    struct tls_context *context = NULL;
    struct certificate_facts facts;
    if (certificate_read(buf_str(&r->tls_cert), &facts) != ERR_OK
        || tls_server_context_new(buf_str(&r->tls_cert), buf_str(&r->tls_key), 0, &context)
               != ERR_OK) {
        return tool_fail(EXIT_NOT_SO, "the certificate cannot be used");
    }
    tls_context_free(&context);
    int64_t now_s = (int64_t)time(NULL);
    if (facts.until_s < now_s || facts.from_s > now_s) {
        return tool_fail(EXIT_NOT_SO, "the new certificate %s",
                         facts.until_s < now_s ? "has expired" : "does not count yet");
    }
    *until_s = facts.until_s;
    return EXIT_FINE;
}

static int read_certificate(const struct state *s, struct reload *r, struct buf *report)
{
    int64_t until_s = 0;
    bool is_off = str_eq(config_get(r->config, CONFIG_tls), STR("off"));
    int code = state_read_tls(s, r->config, &r->tls_cert, &r->tls_key);
    r->is_certificate_new = code == EXIT_FINE
                            && (!str_eq(buf_str(&r->tls_cert), buf_str(&s->tls_cert))
                                || !str_eq(buf_str(&r->tls_key), buf_str(&s->tls_key)));
    if (code == EXIT_FINE && r->tls_cert.len == 0 && s->tls_cert.len > 0 && !is_off) {
        return tool_fail(EXIT_NOT_SO,
                         "the certificate is not there any more; to end TLS, say tls = off");
    }
    if (!r->is_certificate_new || r->tls_cert.len == 0) {
        return code;
    }
    code = check_certificate(r, &until_s);
    if (code == EXIT_FINE) {
        fields_add(report, STR("type"), STR("certificate"));
        fields_add_u64(report, STR("until"), (uint64_t)until_s);
        buf_add_char(report, '\n');
    }
    return code;
}

int reload_read(const char *path, const struct config *now, const struct state *s,
                struct reload *out, struct buf *report)
{
    struct reload r = {.config = NULL};
    enum err e = config_read(path, &r.config);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    int code = serve_check_config(r.config);
    serve_complete_config(r.config);
    if (code == EXIT_FINE && str_has_word(config_get(r.config, CONFIG_roles), STR("edge"))) {
        code = read_certificate(s, &r, report); /* which only an edge has */
    }
    if (code != EXIT_FINE) {
        reload_release(&r);
        return code;
    }
    if (now != NULL) {
        compare(now, r.config, report);
    }
    *out = r;
    return EXIT_FINE;
}

void reload_release(struct reload *r)
{
    config_free(&r->config);
    buf_release(&r->tls_cert);
    buf_wipe(&r->tls_key);
}
