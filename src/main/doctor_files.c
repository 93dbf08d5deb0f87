/* Rules on files: the certificate, and who may read what.
 *
 * Permission bits and owners only: what an access control list or a mount adds is beyond us. A file that is not there is no
 * finding of these rules, but for a certificate, and for the state folder itself: it may not have been made yet, or be another one. */
#include "main/certificate.h"
#include "main/doctor.h"
#include "main/state.h"
#include "net/tls.h"
#include "tools/tool.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PEM_MOST = 256 * 1024,
    DAY_S = 24 * 3600,
    EXPIRING_DAYS = 21,
    FUTURE_S = 60,
    TEXT_MOST = PATH_MAX + 64
};

static void make_path(const struct doctor *d, const char *name, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%s/%s", d->dir, name) >= PATH_MAX) {
        out[0] = '\0';
    }
}

/* The path that a setting names, or a file of the state folder. */
static void get_path(const struct doctor *d, enum config_id id, const char *name,
                     char out[PATH_MAX])
{
    struct str set = config_get(d->config, id);
    if (set.n > 0 && set.n < PATH_MAX) {
        (void)snprintf(out, PATH_MAX, "%.*s", STR_ARG(set));
    } else {
        make_path(d, name, out);
    }
}

bool doctor_find_state(struct doctor *d)
{
    struct stat st;
    if (stat(d->dir, &st) == 0 && S_ISDIR(st.st_mode)) {
        return true;
    }
    for (size_t i = 0; i < d->findings.count; i++) {
        if (strcmp(d->findings.at[i].rule, "no-state") == 0) {
            return false;
        }
    }
    doctor_say(d, DOCTOR_WARNING, "no-state",
               "there is no state folder %s: either another one is meant (--state), or the server "
               "has never run, which makes it; nothing in it could be looked at, a certificate "
               "neither",
               d->dir);
    return false;
}

/* ---- the certificate ---- */

static void check_dates(struct doctor *d, const char *path, const struct certificate_facts *f)
{
    int64_t left_s = f->until_s - d->host.now_s;
    if (left_s < 0) {
        doctor_say(d, DOCTOR_ERROR, "certificate-expired",
                   "%s expired %lld days ago: clients refuse it; put a new one there, then limetta "
                   "reload",
                   path, (long long)(-left_s / DAY_S));
    } else if (left_s < (int64_t)EXPIRING_DAYS * DAY_S) {
        doctor_say(d, DOCTOR_WARNING, "certificate-expiring",
                   "%s expires in %lld days; put a new one there, then limetta reload", path,
                   (long long)(left_s / DAY_S));
    }
    if (f->from_s > d->host.now_s) {
        doctor_say(d, DOCTOR_ERROR, "certificate-early",
                   "%s does not count yet: is the clock right?", path);
    }
}

static void check_names(struct doctor *d, const char *path, struct str pem)
{
    struct str name = config_get(d->config, CONFIG_hostname);
    if (!certificate_is_for(pem, name)) {
        doctor_say(d, DOCTOR_WARNING, "certificate-name",
                   "%s is not for %.*s, which is what we call ourselves (hostname)", path,
                   STR_ARG(name));
    }
}

static void check_pair(struct doctor *d, const char *cert_path, const char *key_path,
                       struct str cert, struct str key)
{
    struct certificate_facts facts;
    struct tls_context *context = NULL;
    if (certificate_read(cert, &facts) != ERR_OK) {
        doctor_say(d, DOCTOR_ERROR, "certificate-broken", "%s is no certificate in PEM", cert_path);
        return;
    }
    if (certificate_check(cert, key) != ERR_OK) {
        doctor_say(d, DOCTOR_ERROR, "certificate-key", "%s is not the key of %s", key_path,
                   cert_path);
    } else if (tls_server_context_new(cert, key, 0, &context) != ERR_OK) {
        doctor_say(d, DOCTOR_ERROR, "certificate-broken", "%s cannot be used: its chain or its key",
                   cert_path);
    }
    tls_context_free(&context);
    if (facts.is_self_signed) {
        doctor_say(d, DOCTOR_WARNING, "self-signed",
                   "%s signs itself: clients must be told to trust it, one by one", cert_path);
    }
    check_dates(d, cert_path, &facts);
    check_names(d, cert_path, cert);
}

void doctor_check_tls(struct doctor *d)
{
    char cert_path[PATH_MAX];
    char key_path[PATH_MAX];
    CLEANUP(buf_release) struct buf cert = BUF_INIT(PEM_MOST);
    CLEANUP(buf_wipe) struct buf key = BUF_INIT(PEM_MOST);
    if (!doctor_has_role(d, STR("edge"))) {
        return; /* links have their own certificates (limetta link-cert show) */
    }
    if (str_eq(config_get(d->config, CONFIG_tls), STR("off"))) {
        doctor_say(d, DOCTOR_ERROR, "no-tls",
                   "tls = off: mail and passwords can be read on the way");
        return;
    }
    get_path(d, CONFIG_tls_cert, "tls-cert.pem", cert_path);
    get_path(d, CONFIG_tls_key, "tls-key.pem", key_path);
    if (config_get(d->config, CONFIG_tls_cert).n == 0 && !doctor_find_state(d)) {
        return;
    }
    enum err e = state_read_file(cert_path, &cert);
    if (e == ERR_NOT_FOUND && config_is_on(d->config, CONFIG_tls_self_signed)) {
        doctor_say(d, DOCTOR_WARNING, "self-signed",
                   "tls_self_signed = yes: the server will make a certificate that signs itself");
        return;
    }
    if (e == ERR_NOT_FOUND) {
        bool is_needed = config_get(d->config, CONFIG_tls_cert).n > 0
                         || str_eq(config_get(d->config, CONFIG_tls), STR("required"));
        doctor_say(d, DOCTOR_ERROR, "no-tls", "there is no certificate %s, and so no %s", cert_path,
                   is_needed ? "start" : "TLS");
        return;
    }
    const char *path = e == ERR_OK ? key_path : cert_path;
    e = e == ERR_OK ? state_read_file(key_path, &key) : e;
    if (e != ERR_OK) {
        doctor_say(d, DOCTOR_ERROR, "certificate-unreadable", "%s: %s", path, tool_explain(e));
        return;
    }
    check_pair(d, cert_path, key_path, buf_str(&cert), buf_str(&key));
}

/* ---- permissions ---- */

/* Others than its owner may do what bits say. */
static void check_mode(struct doctor *d, const char *path, mode_t bits, const char *rule,
                       const char *why)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & bits) != 0) {
        doctor_say(d, DOCTOR_ERROR, rule, "%s has mode %04o: %s; chmod %04o", path,
                   (unsigned)(st.st_mode & 07777), why, (unsigned)(st.st_mode & 07777 & ~bits));
    }
}

static void check_state(struct doctor *d)
{
    if (!doctor_find_state(d)) {
        return;
    }
    static const struct {
        const char *name;
        const char *rule;
        const char *why;
    } OWN[] = {
        {"", "state-mode", "others may look into it"},
        {"/keys", "keys-mode", "others may read keys"},
        {"/keys/ticket-private.pem", "keys-mode", "who reads it can log in as anybody"},
        {"/keys/seal", "keys-mode", "who reads it can forge the states of sessions"},
        {"/keys/submit-password", "keys-mode", "who reads it can fetch what URLs open"},
        {"/keys/link-key.pem", "keys-mode", "who reads it can pretend to be this host"},
        {"/keys/link-ca-key.pem", "keys-mode", "who reads it can make hosts of this mail system"},
        {"/auth", "verifiers-mode", "others may guess passwords from verifiers"},
        {"/auth/users.db", "verifiers-mode", "others may guess passwords from verifiers"},
        {"/accounts", "mail-mode", "others may read mail"},
        {"/queue", "mail-mode", "others may read mail"},
        {"/run/control", "socket-mode", "others may try to steer the server"},
        {"/run/queue", "socket-mode", "others may try to steer the queue"},
    };
    for (size_t i = 0; i < sizeof(OWN) / sizeof(OWN[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s%s", d->dir, OWN[i].name);
        check_mode(d, path, 077, OWN[i].rule, OWN[i].why);
    }
}

static bool has_secret(const struct doctor *d)
{
    static const enum config_id SECRETS[] = {CONFIG_relay_password, CONFIG_ldap_bind_password,
                                             CONFIG_oauth_client_secret};
    for (size_t i = 0; i < sizeof(SECRETS) / sizeof(SECRETS[0]); i++) {
        if (config_get(d->config, SECRETS[i]).n > 0) {
            return true;
        }
    }
    return config_get_burl(d->config, 0).n > 0;
}

/* What was written later than now was written by another clock. */
static void check_future(struct doctor *d)
{
    static const char *const NAMES[] = {"run/pid", "auth/users.db", "queue/queue.db", "accounts"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        char path[PATH_MAX];
        struct stat st;
        make_path(d, NAMES[i], path);
        if (stat(path, &st) == 0 && st.st_mtim.tv_sec > d->host.now_s + FUTURE_S) {
            doctor_say(d, DOCTOR_ERROR, "file-from-the-future",
                       "%s was changed %lld s from now: the clock is slow, or was fast", path,
                       (long long)(st.st_mtim.tv_sec - d->host.now_s));
        }
    }
}

void doctor_check_files(struct doctor *d)
{
    char key_path[PATH_MAX];
    get_path(d, CONFIG_tls_key, "tls-key.pem", key_path);
    check_mode(d, key_path, 077, "tls-key-mode", "others may read the key of the certificate");
    check_state(d);
    if (d->config_path != NULL) {
        check_mode(d, d->config_path, 022, "config-mode", "others may change the configuration");
        if (has_secret(d)) {
            check_mode(d, d->config_path, 044, "config-mode", "it holds passwords");
        }
    }
    check_future(d);
}
