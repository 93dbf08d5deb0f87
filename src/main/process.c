/* One role as a process: fork, exec, settings.
 *
 * Fork and exec, so that a role has a memory of its own from its first instruction: no secret of another role, no copied
 * layout. It inherits standard error (the log), the control socket as descriptor 3, and nothing else: what else is open is
 * closed, also what whoever started us left open, and standard input and output lead nowhere. Of the environment, where
 * other programs keep their secrets, it gets the few words that its libraries need. What a role is told is in one table,
 * with a bit for each role, and no role is told more; the private ticket key, say, leaves this process towards auth
 * only. */
#include "main/process.h"

#include "base/base64.h"
#include "base/log.h"
#include "main/control.h"
#include "sieve/script.h"
#include "store/script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EDGE = 1 << ROLE_EDGE,
    AUTH = 1 << ROLE_AUTH,
    STORE = 1 << ROLE_STORE,
    SUBMIT = 1 << ROLE_SUBMIT,
    CONVERT = 1 << ROLE_CONVERT,
    GATE = 1 << ROLE_GATE,
    VERIFY = 1 << ROLE_VERIFY,
    EVERY = EDGE | AUTH | STORE | SUBMIT | CONVERT | GATE | VERIFY
};
enum { CONTROL_BUFFER = 1 << 20, ENVIRONMENT_MOST = 16, ANCHORS_MOST = 256 * 1024 };

bool process_may_link(enum link_role a, enum link_role b)
{
    bool is_conversion =
        (a == ROLE_STORE && b == ROLE_CONVERT) || (a == ROLE_CONVERT && b == ROLE_STORE);
    bool is_verification =
        (a == ROLE_AUTH && b == ROLE_VERIFY) || (a == ROLE_VERIFY && b == ROLE_AUTH);
    return is_conversion || is_verification || hosts_may_link(a, b);
}

/* The role's program, beside our own. */
static enum err find_program(enum link_role role, char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0) {
        return ERR_IO;
    }
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL || (size_t)(slash - self) > PATH_MAX - 32) {
        return ERR_IO;
    }
    *slash = '\0';
    (void)snprintf(out, PATH_MAX, "%.*s/limetta-%s", PATH_MAX - 32, self, control_role_name(role));
    if (access(out, X_OK) != 0) {
        log_error("%s: %s", out, strerrordesc_np(errno));
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

enum err process_check_program(enum link_role role)
{
    char program[PATH_MAX];
    return find_program(role, program);
}

/* Picks the variables that a role may see: where trusted certificates are, how names are resolved, the time zone, and what
 * sanitizers and coverage are told in test builds. out: borrows from our environment. */
static void pick_environment(char *out[ENVIRONMENT_MOST + 1])
{
    static const char *const NAMES[] = {
        "SSL_CERT_FILE=",    "SSL_CERT_DIR=", "RES_OPTIONS=",  "LOCALDOMAIN=",   "TZ=",
        "LD_LIBRARY_PATH=",  "ASAN_OPTIONS=", "LSAN_OPTIONS=", "UBSAN_OPTIONS=", "GCOV_PREFIX=",
        "LLVM_PROFILE_FILE="};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        for (char **e = environ; *e != NULL && count < ENVIRONMENT_MOST; e++) {
            if (str_starts(str_from_c(*e), str_from_c(NAMES[i]))) {
                out[count++] = *e;
            }
        }
    }
    out[count] = NULL;
}

/* In the child: descriptors 0 and 1 lead nowhere, 2 is the log, 3 the control socket, and there is no other. False when
 * that cannot be had. */
static bool arrange_descriptors(int control)
{
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere < 0 || dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0) {
        return false;
    }
    if (control == CONTROL_CHILD_FD) {
        (void)fcntl(control, F_SETFD, 0);
    } else if (dup2(control, CONTROL_CHILD_FD) < 0) {
        return false;
    }
    return close_range(CONTROL_CHILD_FD + 1, ~0U, 0) == 0;
}

/* In the child: nothing but exec, in calls that are safe after a fork. */
static void become(const char *program, char *name, int control, char *const environment[])
{
    char *const argv[] = {name, NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* Who sends these to our whole group means the supervisor, who says "stop" when it is time. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    if (arrange_descriptors(control)) {
        (void)execve(program, argv, environment);
    }
    _exit(3);
}

enum err process_start(enum link_role role, unsigned index, pid_t *pid, int *control)
{
    char program[PATH_MAX];
    char name[64];
    char *environment[ENVIRONMENT_MOST + 1];
    int pair[2];
    int size = CONTROL_BUFFER;
    TRY(find_program(role, program));
    (void)snprintf(name, sizeof(name), "limetta-%s", control_role_name(role));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot start %s %u: %s", name, index, strerrordesc_np(errno));
        return ERR_IO;
    }
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    pick_environment(environment);
    pid_t child = fork();
    if (child == 0) {
        become(program, name, pair[1], environment);
    }
    (void)close(pair[1]);
    if (child < 0) {
        log_error("cannot start %s %u: %s", name, index, strerrordesc_np(errno));
        (void)close(pair[0]);
        return ERR_IO;
    }
    *pid = child;
    *control = pair[0];
    return ERR_OK;
}

/* ---- what each role is told ---- */

struct told {
    const char *key;
    unsigned roles;
    enum config_id id;
};

/* Straight from the configuration. */
static const struct told FROM_CONFIG[] = {
    {"log_level", EVERY, CONFIG_log_level},
    {"hostname", EVERY, CONFIG_hostname},
    {"host_names", EDGE | STORE | SUBMIT, CONFIG_host_names},
    {"domains", AUTH | STORE | SUBMIT, CONFIG_domains},
    {"postmaster", AUTH, CONFIG_postmaster},
    {"lmtp_allow", SUBMIT, CONFIG_lmtp_allow},
    {"lmtp_connections", SUBMIT, CONFIG_lmtp_connections},
    {"recipient_delimiter", AUTH | STORE | SUBMIT, CONFIG_recipient_delimiter},
    {"duplicate_window_s", STORE, CONFIG_duplicate_window_s},
    {"sender_check", SUBMIT, CONFIG_sender_check},
    {"sender_any", AUTH | SUBMIT, CONFIG_sender_any},
    {"sender_alias", AUTH, CONFIG_sender_alias},
    {"tls", EDGE, CONFIG_tls},
    {"plaintext_login", EDGE | AUTH, CONFIG_plaintext_login},
    {"workers", EDGE | STORE | SUBMIT | GATE, CONFIG_workers},
    {"roles", GATE, CONFIG_roles},
    {"store_workers", GATE, CONFIG_store_workers},
    {"link_ping_s", GATE, CONFIG_link_ping_s},
    {"link_dead_s", GATE, CONFIG_link_dead_s},
    {"shared_account", STORE, CONFIG_shared_account},
    {"flag_durability", STORE, CONFIG_flag_durability},
    {"message_most", EDGE | STORE | SUBMIT, CONFIG_message_most},
    {"user_messages_hour", SUBMIT, CONFIG_user_messages_hour},
    {"user_recipients_hour", SUBMIT, CONFIG_user_recipients_hour},
    {"user_storage_hour", SUBMIT, CONFIG_user_storage_hour},
    {"address_messages_hour", SUBMIT, CONFIG_address_messages_hour},
    {"address_recipients_hour", SUBMIT, CONFIG_address_recipients_hour},
    {"connections_minute", EDGE, CONFIG_connections_minute},
    {"recipients_most", EDGE | SUBMIT, CONFIG_recipients_most},
    {"hold_most_s", EDGE | SUBMIT, CONFIG_hold_most_s},
    {"held_messages", SUBMIT, CONFIG_held_messages},
    {"held_storage", SUBMIT, CONFIG_held_storage},
    {"priority_most", SUBMIT, CONFIG_priority_most},
    {"priority_users", SUBMIT, CONFIG_priority_users},
    {"message_limit", STORE, CONFIG_message_limit},
    {"login_timeout_s", EDGE, CONFIG_login_timeout_s},
    {"max_idle_s", EDGE, CONFIG_max_idle_s},
    {"keep_alive_adaptive", EDGE, CONFIG_keep_alive_adaptive},
    {"heartbeats", EDGE, CONFIG_heartbeats},
    {"heartbeat_clients", EDGE | STORE, CONFIG_heartbeat_clients},
    {"idle_timeout_s", EDGE, CONFIG_idle_timeout_s},
    {"park_after_s", STORE | SUBMIT, CONFIG_park_after_s},
    {"resume_wait_s", EDGE | STORE, CONFIG_resume_wait_s},
    {"parked_life_s", STORE | SUBMIT, CONFIG_parked_life_s},
    {"submission_timeout_s", EDGE, CONFIG_submission_timeout_s},
    {"news_window_ms", STORE, CONFIG_news_window_ms},
    {"tcp_keepalive_s", EDGE, CONFIG_tcp_keepalive_s},
    {"time_unit_ms", EDGE | STORE | SUBMIT, CONFIG_time_unit_ms},
    {"limits_exempt", EDGE, CONFIG_limits_exempt},
    {"limits_prefix_factor", EDGE, CONFIG_limits_prefix_factor},
    {"strangers_most", EDGE, CONFIG_strangers_most},
    {"strangers_per_address", EDGE, CONFIG_strangers_per_address},
    {"login_time_s", EDGE, CONFIG_login_time_s},
    {"login_octets_most", EDGE, CONFIG_login_octets_most},
    {"login_octets_minute", EDGE, CONFIG_login_octets_minute},
    {"login_failures_hour", EDGE, CONFIG_login_failures_hour},
    {"handshakes_second", EDGE, CONFIG_handshakes_second},
    {"edges", EDGE, CONFIG_edges},
    {"connections_most", EDGE, CONFIG_connections_most},
    {"connections_per_address", EDGE, CONFIG_connections_per_address},
    {"tls_sessions_most", EDGE, CONFIG_tls_sessions_most},
    {"delivery", SUBMIT, CONFIG_delivery},
    {"routes", SUBMIT, CONFIG_routes},
    {"dns_servers", SUBMIT, CONFIG_dns_servers},
    {"dane", SUBMIT, CONFIG_dane},
    {"mta_sts", SUBMIT, CONFIG_mta_sts},
    {"mta_sts_port", SUBMIT, CONFIG_mta_sts_port},
    {"mx_port", SUBMIT, CONFIG_mx_port},
    {"mx_addresses", SUBMIT, CONFIG_mx_addresses},
    {"relay_host", SUBMIT, CONFIG_relay_host},
    {"relay_port", SUBMIT, CONFIG_relay_port},
    {"relay_user", SUBMIT, CONFIG_relay_user},
    {"relay_password", SUBMIT, CONFIG_relay_password},
    {"relay_tls", SUBMIT, CONFIG_relay_tls},
    {"queue_lifetime_s", SUBMIT, CONFIG_queue_lifetime_s},
    {"queue_delay_s", SUBMIT, CONFIG_queue_delay_s},
    {"queue_retry_first_s", SUBMIT, CONFIG_queue_retry_first_s},
    {"queue_retry_most_s", SUBMIT, CONFIG_queue_retry_most_s},
    {"queue_jobs_most", SUBMIT, CONFIG_queue_jobs_most},
    {"queue_jobs_per_destination", SUBMIT, CONFIG_queue_jobs_per_destination},
    {"media_entities", STORE, CONFIG_media_entities},
    {"unauthenticate", EDGE | STORE, CONFIG_unauthenticate},
    {"quota_storage", STORE, CONFIG_quota_storage},
    {"quota_messages", STORE, CONFIG_quota_messages},
    {"quota_full", STORE, CONFIG_quota_full},
    {"quota_mailboxes", STORE, CONFIG_quota_mailboxes},
    {"sieve_script_most", STORE, CONFIG_sieve_script_most},
    {"sieve_scripts_most", STORE, CONFIG_sieve_scripts_most},
    {"notify_webhooks", STORE | SUBMIT, CONFIG_notify_webhooks},
    {"sieve_redirects_most", STORE, CONFIG_sieve_redirects_most},
    {"sieve_notifies_most", STORE, CONFIG_sieve_notifies_most},
    {"detail_mailbox", STORE, CONFIG_detail_mailbox},
    {"quota_admins", STORE, CONFIG_quota_admins},
    {"server_admin", STORE, CONFIG_server_admin},
    {"server_comment", STORE, CONFIG_server_comment},
    {"convert_slots", CONVERT, CONFIG_convert_slots},
    {"convert_time_s", CONVERT, CONFIG_convert_time_s},
    {"convert_memory", CONVERT, CONFIG_convert_memory},
    {"convert_pixels", CONVERT, CONFIG_convert_pixels},
    {"convert_input_most", STORE | CONVERT, CONFIG_convert_input_most},
    {"convert_output_most", STORE | CONVERT, CONFIG_convert_output_most},
    {"convert_cache", STORE, CONFIG_convert_cache},
    {"convert_default_image", STORE, CONFIG_convert_default_image},
    {"convert_default_audio", STORE, CONFIG_convert_default_audio},
    {"edge_logins_minute", AUTH, CONFIG_edge_logins_minute},
    {"argon2_passes", AUTH, CONFIG_argon2_passes},
    {"argon2_memory", AUTH, CONFIG_argon2_memory},
    {"scram_iterations", AUTH, CONFIG_scram_iterations},
    {"scram", EDGE, CONFIG_scram},
    {"outside_users", AUTH, CONFIG_outside_users},
    {"ldap_url", AUTH | VERIFY, CONFIG_ldap_url},
    {"ldap_starttls", VERIFY, CONFIG_ldap_starttls},
    {"ldap_ca", VERIFY, CONFIG_ldap_ca},
    {"ldap_dn", VERIFY, CONFIG_ldap_dn},
    {"ldap_base", VERIFY, CONFIG_ldap_base},
    {"ldap_filter", VERIFY, CONFIG_ldap_filter},
    {"ldap_bind_dn", VERIFY, CONFIG_ldap_bind_dn},
    {"ldap_bind_password", VERIFY, CONFIG_ldap_bind_password},
    {"ldap_timeout_s", VERIFY, CONFIG_ldap_timeout_s},
    {"oauth_introspection", EDGE | AUTH | VERIFY, CONFIG_oauth_introspection},
    {"oauth_client_id", VERIFY, CONFIG_oauth_client_id},
    {"oauth_client_secret", VERIFY, CONFIG_oauth_client_secret},
    {"oauth_user", VERIFY, CONFIG_oauth_user},
    {"oauth_scope", AUTH | VERIFY, CONFIG_oauth_scope},
    {"oauth_audience", VERIFY, CONFIG_oauth_audience},
    {"oauth_configuration", AUTH, CONFIG_oauth_configuration},
};

/* Sends while all goes well. */
struct teller {
    int control;
    unsigned role; /* its bit */
    enum err err;
};

static void tell(struct teller *t, unsigned roles, const char *key, struct str value)
{
    if (t->err == ERR_OK && (roles & t->role) != 0) {
        t->err = control_send_setting(t->control, str_from_c(key), value);
    }
}

static void tell_u64(struct teller *t, unsigned roles, const char *key, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    tell(t, roles, key, str_from_c(digits));
}

/* "burl.0", "burl.1" ... */
static void tell_burl(struct teller *t, const struct config *c)
{
    for (size_t i = 0; i < CONFIG_BURL_MOST && config_get_burl(c, i).n > 0; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "burl.%zu", i);
        tell(t, SUBMIT, key, config_get_burl(c, i));
    }
}

/* "link.0", "link.1" ... */
static void tell_links(struct teller *t, const struct config *c)
{
    for (size_t i = 0; i < CONFIG_LINK_MOST && config_get_link(c, i).n > 0; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "link.%zu", i);
        tell(t, GATE, key, config_get_link(c, i));
    }
}

static void tell_path(struct teller *t, unsigned roles, const char *key, const struct state *s,
                      const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 32, s->dir, name);
    tell(t, roles, key, str_from_c(path));
}

/* A script of the operator's. One that cannot be read is not run, and that is said. */
static void tell_script(struct teller *t, const char *key, struct str path)
{
    if (path.n == 0 || (STORE & t->role) == 0) {
        return;
    }
    CLEANUP(buf_release) struct buf name = BUF_INIT(PATH_MAX);
    CLEANUP(buf_release) struct buf text = BUF_INIT(SCRIPT_MOST_DEFAULT);
    buf_add(&name, path);
    enum err e = buf_err(&name) == ERR_OK ? state_read_file(name.p, &text) : ERR_LIMIT;
    if (e != ERR_OK) {
        log_error("%s: %s: %s", key, name.p, err_get_info(e)->meaning);
        return;
    }
    tell(t, STORE, key, buf_str(&text));
}

/* Each role has a key of its own, made of the one in the state folder, so that neither can seal what the other would open. */
static void tell_seal_key(struct teller *t, struct str key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t size = 0;
    const char *role = t->role == STORE ? "store" : "submit";
    CLEANUP(buf_wipe) struct buf own = BUF_INIT(2 * EVP_MAX_MD_SIZE);
    if ((t->role & (STORE | SUBMIT)) == 0 || key.n == 0) {
        return;
    }
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.p, key.n, (const unsigned char *)role,
                  strlen(role), mac, sizeof(mac), &size)
        == NULL) {
        t->err = t->err == ERR_OK ? ERR_IO : t->err;
        return;
    }
    hex_write(&own, str_make((const char *)mac, size));
    tell(t, STORE | SUBMIT, "seal_key", buf_str(&own));
}

static void tell_state(struct teller *t, const struct process_context *x)
{
    const struct state *s = x->state;
    struct buf entities = BUF_INIT(16 * 1024);
    buf_add_c(&entities, STATE_SUBMIT_USER " ");
    buf_add(&entities, config_get(x->config, CONFIG_submit_entities));
    tell_u64(t, EVERY, "uid", s->uid);
    tell_u64(t, EVERY, "gid", s->gid);
    tell(t, EVERY, "host", str_from_c(s->name));
    tell(t, GATE, "link_cert", buf_str(&s->link_cert));
    tell(t, GATE, "link_key", buf_str(&s->link_key));
    tell(t, GATE, "link_ca", buf_str(&s->link_ca));
    tell(t, EDGE, "tls_cert", buf_str(&s->tls_cert));
    tell(t, EDGE, "tls_key", buf_str(&s->tls_key));
    tell(t, AUTH, "ticket_private", buf_str(&s->ticket_private));
    tell(t, STORE | SUBMIT, "ticket_public", buf_str(&s->ticket_public));
    tell_seal_key(t, buf_str(&s->seal_key));
    tell_path(t, AUTH, "users_path", s, "auth/users.db");
    tell_path(t, STORE, "accounts_dir", s, "accounts");
    tell_path(t, SUBMIT, "queue_dir", s, "queue");
    tell(t, SUBMIT, "submit_user", STR(STATE_SUBMIT_USER));
    tell(t, SUBMIT, "submit_password", buf_str(&s->submit_password));
    tell(t, STORE, "submit_entities", str_trim(buf_str(&entities)));
    tell_u64(t, EDGE | STORE | SUBMIT, "imap_port", PORT_IMAP + x->port_offset);
    tell_u64(t, STORE, "sieve_port", PORT_SIEVE + x->port_offset);
    buf_release(&entities);
}

/* What ManageSieve says of scripts before and after login (RFC 5804, 1.7). */
/* The contents of a file, for roles that cannot reach it. */
static void tell_file(struct teller *t, unsigned roles, const char *key, struct str path)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(PATH_MAX - 1);
    CLEANUP(buf_release) struct buf text = BUF_INIT(ANCHORS_MOST);
    buf_add(&name, path);
    if (name.len > 0 && (t->role & roles) != 0) {
        t->err = state_read_file(name.p, &text);
        tell(t, roles, key, buf_str(&text));
    }
}

static void tell_sieve(struct teller *t, const struct config *config)
{
    struct sieve_limits limits;
    struct buf extensions = BUF_INIT(4096);
    sieve_limits_init(&limits);
    sieve_write_extensions(&(struct sieve_config){.has_imap_events = true}, &extensions);
    tell(t, EDGE | STORE, "sieve_extensions", buf_str(&extensions));
    struct str hooks = config_get(config, CONFIG_notify_webhooks);
    tell(t, EDGE | STORE, "sieve_methods", hooks.n > 0 ? STR("mailto https") : STR("mailto"));
    tell_u64(t, EDGE | STORE, "sieve_redirects", limits.redirects);
    buf_release(&extensions);
    tell_file(t, SUBMIT, "notify_webhooks_ca", config_get(config, CONFIG_notify_webhooks_ca));
    tell_file(t, VERIFY, "oauth_ca", config_get(config, CONFIG_oauth_ca));
    tell_file(t, SUBMIT, "tls_anchors", config_get(config, CONFIG_tls_anchors));
}

unsigned process_get_told(enum config_id id)
{
    for (size_t i = 0; i < sizeof(FROM_CONFIG) / sizeof(FROM_CONFIG[0]); i++) {
        if (FROM_CONFIG[i].id == id) {
            return FROM_CONFIG[i].roles;
        }
    }
    return 0;
}

/* What running roles take anew. */
static const enum config_id ANEW[] = {CONFIG_log_level, CONFIG_tls, CONFIG_connections_most};

bool process_is_taken_anew(enum config_id id)
{
    for (size_t i = 0; i < sizeof(ANEW) / sizeof(ANEW[0]); i++) {
        if (ANEW[i] == id) {
            return true;
        }
    }
    return false;
}

static enum err tell_start(int control)
{
    struct control_message start = {.type = CONTROL_START, .fd = -1};
    return control_send(control, &start);
}

enum err process_tell_again(const struct process_context *x, enum link_role role, int control,
                            bool has_certificate)
{
    struct teller t = {.control = control, .role = 1U << role, .err = ERR_OK};
    for (size_t i = 0; i < sizeof(ANEW) / sizeof(ANEW[0]); i++) {
        const char *key = config_get_key(ANEW[i])->name;
        tell(&t, process_get_told(ANEW[i]), key, config_get(x->config, ANEW[i]));
    }
    if (has_certificate) {
        tell(&t, EDGE, "tls_cert", buf_str(&x->state->tls_cert));
        tell(&t, EDGE, "tls_key", buf_str(&x->state->tls_key));
    }
    return t.err == ERR_OK ? tell_start(control) : t.err;
}

enum err process_tell(const struct process_context *x, enum link_role role, unsigned index,
                      int control)
{
    struct teller t = {.control = control, .role = 1U << role, .err = ERR_OK};
    tell(&t, EVERY, "role", str_from_c(control_role_name(role)));
    tell_u64(&t, EVERY, "index", index);
    for (size_t i = 0; i < sizeof(FROM_CONFIG) / sizeof(FROM_CONFIG[0]); i++) {
        const struct told *f = &FROM_CONFIG[i];
        tell(&t, f->roles, f->key, config_get(x->config, f->id));
    }
    tell_burl(&t, x->config);
    tell_links(&t, x->config);
    tell_script(&t, "sieve_before", config_get(x->config, CONFIG_sieve_before));
    tell_script(&t, "sieve_after", config_get(x->config, CONFIG_sieve_after));
    tell_state(&t, x);
    tell_sieve(&t, x->config);
    for (size_t i = 0; t.err == ERR_OK && i < x->listenings->all.count; i++) {
        const struct listening *l = &x->listenings->all.at[i];
        if (l->role != role || l->fd < 0) {
            continue;
        }
        struct control_message m = {
            .type = CONTROL_LISTENER, .key = str_from_c(l->name), .fd = l->fd};
        t.err = control_send(control, &m);
    }
    return t.err == ERR_OK ? tell_start(control) : t.err;
}
