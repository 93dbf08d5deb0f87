/* limetta serve: the whole system, or what of it this host has (setting roles).
 *
 *     limetta serve [--state DIR] [--config FILE] [--listen ADDR] [--port-offset N]
 *
 * Reads the configuration, prepares the state folder, opens the ports, then supervises. Everything that can be wrong is
 * found before the first role starts, and said in one line: exit code 2 for what was asked wrongly, 3 for what this host
 * does not give. */
#include "main/serve.h"

#include "base/log.h"
#include "main/config.h"
#include "main/hosts.h"
#include "main/listen.h"
#include "main/notify.h"
#include "main/state.h"
#include "main/supervisor.h"
#include "net/network.h"
#include "tools/tool.h"
#include "wire/heartbeats.h"
#include "wire/next_hop.h"
#include "wire/webhook.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OFFSET_WITHOUT_ROOT = 10000, HOST_NAME_MOST = 255 };

static const char USAGE[] =
    "limetta serve [--state DIR] [--config FILE] [--listen ADDR] [--port-offset N]";

struct serve_args {
    const char *state;
    const char *config;
    const char *listen;
    const char *port_offset;
};

/* The number on the command line, in the configuration, or the default for who we are. */
static int get_offset(const struct serve_args *a, const struct config *c, unsigned *out)
{
    uint64_t v = 0;
    if (a->port_offset != NULL) {
        if (!str_to_u64(str_from_c(a->port_offset), PORT_OFFSET_MOST, &v)) {
            return tool_fail(EXIT_USAGE, "--port-offset must be a number from 0 to %d",
                             PORT_OFFSET_MOST);
        }
    } else if (config_get(c, CONFIG_port_offset).n > 0) {
        v = config_get_u64(c, CONFIG_port_offset);
    } else if (geteuid() != 0) {
        v = OFFSET_WITHOUT_ROOT;
        log_info("not started as root: ports are the standard ones plus %d; --port-offset N "
                 "changes that",
                 OFFSET_WITHOUT_ROOT);
    }
    *out = (unsigned)v;
    return EXIT_FINE;
}

void serve_complete_config(struct config *c)
{
    char name[HOST_NAME_MOST + 1] = "";
    if (config_get(c, CONFIG_hostname).n == 0) {
        if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
            (void)snprintf(name, sizeof(name), "localhost");
        }
        config_set(c, CONFIG_hostname, str_from_c(name));
    }
    /* A URL may call us by our own name and by the further ones. */
    struct buf names = BUF_INIT(16 * 1024);
    buf_add(&names, config_get(c, CONFIG_hostname));
    buf_add_char(&names, ' ');
    buf_add(&names, config_get(c, CONFIG_host_names));
    config_set(c, CONFIG_host_names, str_trim(buf_str(&names)));
    buf_release(&names);
    if (str_eq(config_get(c, CONFIG_scram), STR("auto"))) {
        config_set(c, CONFIG_scram, config_get(c, CONFIG_ldap_url).n > 0 ? STR("no") : STR("yes"));
    }
    if (config_get(c, CONFIG_domains).n == 0) {
        struct buf domains = BUF_INIT(HOST_NAME_MOST * 2);
        buf_add(&domains, config_get(c, CONFIG_hostname));
        buf_add_c(&domains, " localhost");
        config_set(c, CONFIG_domains, buf_str(&domains));
        buf_release(&domains);
    }
}

/* May tokens be sent there? Without TLS only on this host. */
static bool is_issuer(struct str url)
{
    static const char *const STARTS[] = {"https://",
                                         "http://127.0.0.1:", "http://[::1]:", "http://localhost:"};
    for (size_t i = 0; i < sizeof(STARTS) / sizeof(STARTS[0]); i++) {
        if (str_starts(url, str_from_c(STARTS[i]))) {
            return true;
        }
    }
    return false;
}

/* It is put into JSON as it is. */
static bool is_plain_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == '"' || s.p[i] == '\\') {
            return false;
        }
    }
    return true;
}

/* The settings of those who are asked about logins. */
static int check_outside(const struct config *c)
{
    struct str url = config_get(c, CONFIG_ldap_url);
    if (url.n > 0 && !str_starts(url, STR("ldap://")) && !str_starts(url, STR("ldaps://"))) {
        return tool_fail(EXIT_USAGE, "ldap_url: %.*s begins neither with ldap:// nor with ldaps://",
                         STR_ARG(url));
    }
    struct str pattern = config_get(c, CONFIG_ldap_dn);
    pattern = pattern.n > 0 ? pattern : config_get(c, CONFIG_ldap_filter);
    bool has_place = config_get(c, CONFIG_ldap_dn).n > 0 || config_get(c, CONFIG_ldap_base).n > 0;
    if (url.n > 0 && (!has_place || memmem(pattern.p, pattern.n, "%n", 2) == NULL)) {
        return tool_fail(EXIT_USAGE, "ldap_url needs ldap_dn, or ldap_base and ldap_filter, with "
                                     "%%n where the user's name is");
    }
    url = config_get(c, CONFIG_oauth_introspection);
    if (url.n > 0 && !is_issuer(url)) {
        return tool_fail(EXIT_USAGE, "oauth_introspection: %.*s is no https URL", STR_ARG(url));
    }
    if (!is_plain_text(config_get(c, CONFIG_oauth_scope))
        || !is_plain_text(config_get(c, CONFIG_oauth_configuration))) {
        return tool_fail(EXIT_USAGE, "oauth_scope, oauth_configuration: quotes and backslashes "
                                     "cannot be in them");
    }
    return EXIT_FINE;
}

/* Which roles run where. On EXIT_FINE hosts_release() is due. */
static int read_hosts(const struct config *c, struct hosts *out)
{
    CLEANUP(buf_release) struct buf why = BUF_INIT(HOST_NAME_MOST * 4);
    enum err e =
        hosts_init(out, STR_EMPTY, config_get(c, CONFIG_roles), config_get(c, CONFIG_store_workers),
                   (unsigned)config_get_u64(c, CONFIG_workers), &why);
    for (size_t i = 0; e == ERR_OK && i < CONFIG_LINK_MOST && config_get_link(c, i).n > 0; i++) {
        e = hosts_add(out, config_get_link(c, i), &why);
    }
    e = e == ERR_OK ? hosts_check(out, &why) : e;
    if (e != ERR_OK) {
        hosts_release(out);
        return tool_fail(EXIT_USAGE, "%.*s", STR_ARG(buf_str(&why)));
    }
    return EXIT_FINE;
}

static int check_hosts(const struct config *c)
{
    struct hosts hosts;
    int code = read_hosts(c, &hosts);
    if (code == EXIT_FINE) {
        hosts_release(&hosts);
    }
    return code;
}

static int check_networks(const struct config *c)
{
    static const enum config_id LISTS[] = {CONFIG_limits_exempt, CONFIG_lmtp_allow};
    for (size_t i = 0; i < sizeof(LISTS) / sizeof(LISTS[0]); i++) {
        struct str bad;
        if (!network_check(config_get(c, LISTS[i]), &bad)) {
            return tool_fail(EXIT_USAGE, "%s: %.*s is no network", config_get_key(LISTS[i])->name,
                             STR_ARG(bad));
        }
    }
    return EXIT_FINE;
}

static int check_heartbeats(const struct config *c)
{
    static const enum config_id LISTS[] = {CONFIG_heartbeats, CONFIG_heartbeat_clients};
    for (size_t i = 0; i < sizeof(LISTS) / sizeof(LISTS[0]); i++) {
        struct str list = config_get(c, LISTS[i]);
        struct str who = STR_EMPTY;
        uint64_t s = 0;
        while (heartbeats_next(&list, &who, &s)) {
            if (s == 0) {
                return tool_fail(EXIT_USAGE,
                                 "%s: behind %.*s should stand a colon and seconds from %d to %d",
                                 config_get_key(LISTS[i])->name, STR_ARG(who), HEARTBEAT_LEAST_S,
                                 HEARTBEAT_MOST_S);
            }
        }
    }
    return EXIT_FINE;
}

/* What the table of settings cannot say of one. */
int serve_check_config(const struct config *c)
{
    struct str bad;
    if (!webhook_is_sound(config_get(c, CONFIG_notify_webhooks), &bad)) {
        return tool_fail(EXIT_USAGE, "notify_webhooks: %.*s is neither an https URL nor an address",
                         STR_ARG(bad));
    }
    if (!next_hop_are_sound(config_get(c, CONFIG_routes), config_get(c, CONFIG_relay_host), &bad)) {
        return tool_fail(EXIT_USAGE,
                         "routes, relay_host: \"%.*s\" cannot be read; see docs/routing.md",
                         STR_ARG(bad));
    }
    static const enum config_id FILES[] = {CONFIG_notify_webhooks_ca, CONFIG_tls_anchors,
                                           CONFIG_ldap_ca, CONFIG_oauth_ca};
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MAX - 1);
        buf_add(&path, config_get(c, FILES[i]));
        if (path.len > 0 && access(path.p, R_OK) != 0) {
            return tool_fail(EXIT_ENVIRONMENT, "%s: cannot read %s", config_get_key(FILES[i])->name,
                             path.p);
        }
    }
    int code = check_networks(c);
    code = code == EXIT_FINE ? check_outside(c) : code;
    code = code == EXIT_FINE ? check_heartbeats(c) : code;
    return code == EXIT_FINE ? check_hosts(c) : code;
}

int serve_open_log(const struct config *c, int *fd)
{
    struct str file = config_get(c, CONFIG_log_file);
    *fd = -1;
    if (file.n == 0) {
        return EXIT_FINE;
    }
    char path[4097];
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARG(file));
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return *fd >= 0 ? EXIT_FINE : tool_fail(EXIT_ENVIRONMENT, "log_file: cannot write %s", path);
}

void serve_use_log(const struct config *c, int fd)
{
    struct str level = config_get(c, CONFIG_log_level);
    log_init("limetta", str_eq(level, STR("error"))   ? LOG_LEVEL_ERROR
                        : str_eq(level, STR("warn"))  ? LOG_LEVEL_WARN
                        : str_eq(level, STR("debug")) ? LOG_LEVEL_DEBUG
                                                      : LOG_LEVEL_INFO);
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        (void)close(fd);
    }
}

static int start_log(const struct config *c)
{
    int fd = -1;
    int code = serve_open_log(c, &fd);
    serve_use_log(c, fd);
    return code;
}

struct ready_line {
    const struct state *state;
    const struct host *own;
    unsigned offset;
    bool has_lmtp; /* by TCP */
};

static void on_ready(void *owner)
{
    const struct ready_line *r = owner;
    (void)printf("limetta is ready: ");
    if (hosts_has(r->own, ROLE_EDGE)) {
        (void)printf("IMAP on port %u, submission on port %u, ManageSieve on port %u, ",
                     PORT_IMAP + r->offset, PORT_SUBMISSION + r->offset, PORT_SIEVE + r->offset);
    }
    if (r->has_lmtp) {
        (void)printf("LMTP on port %u, ", PORT_LMTP + r->offset);
    }
    (void)printf("state in %s, process %d\n", r->state->dir, getpid());
    (void)fflush(stdout);
    notify_send("READY=1");
}

/* Where other mail servers bring mail. The Unix socket is in the state folder unless the configuration says otherwise. */
static int open_lmtp(const struct config *c, const struct state *s, unsigned offset,
                     struct listenings *listenings)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MAX + 16);
    struct str said = config_get(c, CONFIG_lmtp_socket);
    if (said.n == 0) {
        buf_addf(&path, "%s/run/lmtp", s->dir);
    } else if (!str_eq(said, STR("none"))) {
        buf_add(&path, said);
    }
    struct listen_lmtp l = {
        .addresses = config_get(c, CONFIG_lmtp_listen),
        .offset = offset,
        .path = buf_str(&path),
        .is_default = said.n == 0,
        .mode = config_get(c, CONFIG_lmtp_socket_mode),
        .group = config_get(c, CONFIG_lmtp_socket_group),
    };
    return listen_open_lmtp(&l, listenings);
}

/* Where the tools speak to the running server: limetta queue with submit, the others with the supervisor. */
static int open_desks(const struct state *s, bool has_submit, struct listenings *listenings,
                      int *control_fd)
{
    CLEANUP(buf_release) struct buf queue = BUF_INIT(PATH_MAX + 16);
    CLEANUP(buf_release) struct buf control = BUF_INIT(PATH_MAX + 16);
    buf_addf(&queue, "%s/run/queue", s->dir);
    buf_addf(&control, "%s/run/control", s->dir);
    int code = EXIT_FINE;
    if (has_submit) {
        struct listen_desk desk = {"queue", buf_str(&queue), s->uid, s->gid};
        code = listen_open_desk(&desk, listenings);
    }
    if (code == EXIT_FINE) {
        struct listen_desk own = {"control", buf_str(&control), geteuid(), getegid()};
        code = listen_open_desk(&own, listenings);
    }
    *control_fd = code == EXIT_FINE ? listen_take(listenings, "control") : -1;
    return code;
}

/* What is opened once the state folder is ready. */
static int open_more(const struct config *c, const struct hosts *hosts, const struct state *s,
                     struct supervise_options *o, struct listenings *listenings)
{
    int code = EXIT_FINE;
    bool has_submit = hosts_has(&hosts->at[0], ROLE_SUBMIT);
    if (has_submit) {
        code = open_lmtp(c, s, o->port_offset, listenings);
    }
    code = code == EXIT_FINE ? open_desks(s, has_submit, listenings, &o->control_fd) : code;
    struct str link = config_get(c, CONFIG_link_listen);
    if (link.n > 0 && hosts->count == 1) {
        log_warn("link_listen: there is no section link, so nobody may connect: not listening");
        return code;
    }
    return code == EXIT_FINE ? listen_open_link(link, o->port_offset, listenings) : code;
}

/* With the ports open. */
static int run_open(const struct serve_args *a, struct config **c, const struct hosts *hosts,
                    struct listenings *listenings, const struct supervise_options *given)
{
    struct supervise_options all = *given;
    struct state state;
    char path[PATH_MAX];
    int code = state_prepare(a->state, *c, hosts, &state);
    if (code != EXIT_FINE) {
        return code; /* and the process ends */
    }
    code = open_more(*c, hosts, &state, &all, listenings);
    if (code != EXIT_FINE) {
        state_release(&state);
        return code;
    }
    bool has_lmtp =
        config_get(*c, CONFIG_lmtp_listen).n > 0 && hosts_has(&hosts->at[0], ROLE_SUBMIT);
    struct ready_line r = {&state, &hosts->at[0], all.port_offset, has_lmtp};
    all.config = c;
    all.config_path = a->config == NULL ? NULL : realpath(a->config, path);
    all.state = &state;
    all.hosts = hosts;
    all.listenings = listenings;
    all.on_ready = on_ready;
    all.owner = &r;
    code = supervise(&all);
    state_release(&state);
    return code;
}

static int run_hosts(const struct serve_args *a, struct config **config, const struct hosts *hosts,
                     unsigned offset)
{
    const struct config *c = *config;
    struct listenings listenings = {.all = VEC_INIT};
    int code = EXIT_FINE;
    struct str listen = a->listen != NULL ? str_from_c(a->listen) : config_get(c, CONFIG_listen);
    if (hosts_has(&hosts->at[0], ROLE_EDGE)) {
        code = listen_open(listen, offset, &listenings);
    }
    if (code != EXIT_FINE) {
        return code;
    }
    struct supervise_options o = {
        .port_offset = offset, .listen = a->listen, .metrics_fd = -1, .control_fd = -1};
    code = config_is_on(c, CONFIG_metrics) ? listen_open_metrics(offset, &o.metrics_fd) : EXIT_FINE;
    if (code == EXIT_FINE) {
        code = run_open(a, config, hosts, &listenings, &o);
    }
    listen_close(&listenings);
    return code;
}

static int run(const struct serve_args *a, struct config **config)
{
    struct config *c = *config;
    struct hosts hosts;
    unsigned offset = 0;
    int code = start_log(c);
    code = code == EXIT_FINE ? serve_check_config(c) : code;
    code = code == EXIT_FINE ? get_offset(a, c, &offset) : code;
    code = code == EXIT_FINE ? read_hosts(c, &hosts) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    serve_complete_config(c);
    code = run_hosts(a, config, &hosts, offset);
    hosts_release(&hosts);
    return code;
}

int serve(int argc, char **argv)
{
    struct serve_args a = {.state = "state"};
    struct config *c = NULL;
    struct tool_words words = {.most = 0};
    const struct tool_option options[] = {{"--state", &a.state, NULL},
                                          {"--config", &a.config, NULL},
                                          {"--listen", &a.listen, NULL},
                                          {"--port-offset", &a.port_offset, NULL},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = config_read(a.config, &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    code = run(&a, &c);
    config_free(&c);
    return code;
}
