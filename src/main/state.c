/* Making the state folder ready.
 *
 * Everything here happens once, as whoever started us, before a role runs. Files with secrets are written whole with mode
 * 0600 in folders with mode 0700; existing ones are taken as they are, so an administrator may bring his own.
 *
 * As root, the roles become another system user, to whom the folder then belongs (keys/ stays root's: roles get what
 * they need over their control sockets). When that user could not even reach the folder, because a folder above it is
 * closed to others, the roles stay root without capabilities, and we say so: Landlock and seccomp still hold them. */
#include "main/state.h"

#include "auth/users.h"
#include "base/log.h"
#include "main/certificate.h"
#include "main/hosts.h"
#include "main/link_identity.h"
#include "main/seal.h"
#include "main/self_signed.h"
#include "net/ticket.h"
#include "net/tls.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_MOST = 256 * 1024, PASSWORD_SIZE = 24, SECRET_MOST = 32, STATE_BUFS = 9 };

/* dir + "/" + name; the dir is short enough by then. */
static void make_path(char out[PATH_MAX], const char *dir, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX) {
        out[0] = '\0'; /* then opening fails, and says so */
    }
}

static int fail_errno(const char *path)
{
    return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, strerrordesc_np(errno));
}

static int make_folder(const char *dir, const char *name)
{
    char path[PATH_MAX];
    make_path(path, dir, name);
    return mkdir(path, 0700) == 0 || errno == EEXIST ? EXIT_FINE : fail_errno(path);
}

static int make_folders(const char *dir, const struct host *own, struct state *s)
{
    static const struct {
        const char *name;
        unsigned roles; /* 0: always */
    } FOLDERS[] = {{"run", 0},
                   {"keys", 0},
                   {"auth", 1U << ROLE_AUTH},
                   {"accounts", 1U << ROLE_STORE},
                   {"queue", 1U << ROLE_SUBMIT}};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return fail_errno(dir);
    }
    if (realpath(dir, s->dir) == NULL) {
        return fail_errno(dir);
    }
    if (strlen(s->dir) > PATH_MAX / 2) {
        return tool_fail(EXIT_USAGE, "--state: the path is too long");
    }
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
        if (FOLDERS[i].roles == 0 || (FOLDERS[i].roles & own->roles) != 0) {
            code = make_folder(s->dir, FOLDERS[i].name);
        }
    }
    return code;
}

/* One server a state folder. */
static int take_pid_file(struct state *s)
{
    char path[PATH_MAX];
    make_path(path, s->dir, "run/pid");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail_errno(path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char pid[16] = "";
        ssize_t n = read(fd, pid, sizeof(pid) - 1);
        (void)close(fd);
        return tool_fail(EXIT_ENVIRONMENT, "%s is in use by process %.*s; stop it first", s->dir,
                         n > 0 ? (int)strcspn(pid, "\n") : 1, n > 0 ? pid : "?");
    }
    char line[16];
    int n = snprintf(line, sizeof(line), "%d\n", getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, line, (size_t)n) != n) {
        (void)close(fd);
        return fail_errno(path);
    }
    s->pid_fd = fd;
    return EXIT_FINE;
}

enum err state_write_file(const char *path, struct str octets, mode_t mode)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh)) {
        return ERR_TOO_LONG;
    }
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = ERR_OK;
    if (write(fd, octets.p, octets.n) != (ssize_t)octets.n || fsync(fd) != 0) {
        e = err_from_errno(errno);
    }
    (void)close(fd);
    if (e == ERR_OK && rename(fresh, path) != 0) {
        e = err_from_errno(errno);
    }
    return e;
}

enum err state_read_file(const char *path, struct buf *out)
{
    char part[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    while ((n = read(fd, part, sizeof(part))) > 0) {
        buf_add(out, str_make(part, (size_t)n));
    }
    enum err e = n < 0 ? err_from_errno(errno) : out->is_full ? ERR_TOO_BIG : ERR_OK;
    (void)close(fd);
    explicit_bzero(part, sizeof(part));
    return e;
}

/* Reads a pair of files, or makes both. */
static int read_or_make(const char *first_path, const char *second_path, struct buf *first,
                        struct buf *second, enum err (*make)(struct buf *first, struct buf *second))
{
    enum err e = state_read_file(first_path, first);
    if (e == ERR_OK) {
        e = state_read_file(second_path, second);
        return e == ERR_OK ? EXIT_FINE
                           : tool_fail(EXIT_ENVIRONMENT, "%s: %s", second_path, tool_explain(e));
    }
    if (e == ERR_NOT_FOUND) {
        e = make(first, second);
        e = e == ERR_OK ? state_write_file(second_path, buf_str(second), 0600) : e;
        e = e == ERR_OK ? state_write_file(first_path, buf_str(first), 0600) : e;
    }
    return e == ERR_OK ? EXIT_FINE
                       : tool_fail(EXIT_ENVIRONMENT, "%s: %s", first_path, tool_explain(e));
}

static int get_ticket_keys(struct state *s)
{
    char private_path[PATH_MAX];
    char public_path[PATH_MAX];
    make_path(private_path, s->dir, "keys/ticket-private.pem");
    make_path(public_path, s->dir, "keys/ticket-public.pem");
    return read_or_make(private_path, public_path, &s->ticket_private, &s->ticket_public,
                        ticket_make_keys);
}

/* A file that another host made. */
static int read_given(const char *path, struct buf *out)
{
    enum err e = state_read_file(path, out);
    if (e == ERR_NOT_FOUND) {
        return tool_fail(
            EXIT_ENVIRONMENT,
            "there is no %s; limetta link-cert issue on auth's host makes it, to be copied here",
            path);
    }
    return e == ERR_OK ? EXIT_FINE : tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(e));
}

static int get_ticket_public(struct state *s)
{
    char path[PATH_MAX];
    make_path(path, s->dir, "keys/ticket-public.pem");
    return read_given(path, &s->ticket_public);
}

static int get_given_password(struct state *s)
{
    char path[PATH_MAX];
    make_path(path, s->dir, "keys/submit-password");
    return read_given(path, &s->submit_password);
}

/* A secret in hexadecimal, made from random when it is not there. */
static int get_random(const struct state *s, const char *name, size_t octets_count, struct buf *out)
{
    char path[PATH_MAX];
    make_path(path, s->dir, name);
    enum err e = state_read_file(path, out);
    if (e == ERR_NOT_FOUND) {
        unsigned char octets[SECRET_MOST];
        char hex[SECRET_MOST * 2 + 1];
        randombytes_buf(octets, octets_count);
        (void)sodium_bin2hex(hex, sizeof(hex), octets, octets_count);
        buf_add(out, str_make(hex, octets_count * 2));
        explicit_bzero(octets, sizeof(octets));
        explicit_bzero(hex, sizeof(hex));
        e = state_write_file(path, buf_str(out), 0600);
    }
    return e == ERR_OK ? EXIT_FINE : tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(e));
}

static int get_submit_password(struct state *s)
{
    return get_random(s, "keys/submit-password", PASSWORD_SIZE, &s->submit_password);
}

/* Sees to it that the submission server's login works; the verifier is made anew only when it does not fit. */
static enum err put_submit_user(struct users *u, struct str password)
{
    struct verifier v;
    enum user_kind kind = USER_ENTITY;
    struct verifier_cost cost = verifier_get_default_cost();
    enum err e = users_find(u, STR(STATE_SUBMIT_USER), &v, &kind);
    if (e == ERR_OK && kind != USER_ENTITY) {
        return ERR_EXISTS;
    }
    if (e == ERR_OK && verifier_check(&v, password)) {
        return ERR_OK;
    }
    bool is_new = e == ERR_NOT_FOUND;
    if (e != ERR_OK && !is_new) {
        return e;
    }
    TRY(verifier_make(password, &cost, &v));
    return is_new ? users_add(u, STR(STATE_SUBMIT_USER), USER_ENTITY, &v)
                  : users_set(u, STR(STATE_SUBMIT_USER), &v);
}

static int make_submit_user(struct state *s)
{
    char path[PATH_MAX];
    struct users *u = NULL;
    make_path(path, s->dir, "auth/users.db");
    enum err e = users_open(path, &u);
    e = e == ERR_OK ? put_submit_user(u, buf_str(&s->submit_password)) : e;
    users_close(&u);
    if (e == ERR_EXISTS) {
        return tool_fail(EXIT_NOT_SO,
                         "a user is called " STATE_SUBMIT_USER
                         ", which is the submission server's own name; delete that user");
    }
    return e == ERR_OK ? EXIT_FINE : tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(e));
}

static enum err make_certificate(const struct config *c, struct state *s)
{
    return self_signed_make(config_get(c, CONFIG_host_names), &s->tls_cert, &s->tls_key);
}

/* The path that a setting names, or a file of the state folder. */
static void get_tls_path(const struct config *c, enum config_id id, const struct state *s,
                         const char *name, char out[PATH_MAX])
{
    struct str set = config_get(c, id);
    if (set.n > 0 && set.n < PATH_MAX) {
        (void)snprintf(out, PATH_MAX, "%.*s", STR_ARG(set));
    } else {
        make_path(out, s->dir, name);
    }
}

static int without_tls(struct config *c, const char *cert_path)
{
    if (str_eq(config_get(c, CONFIG_tls), STR("required"))) {
        return tool_fail(EXIT_ENVIRONMENT,
                         "tls = required, but there is no certificate %s; put one there, or set "
                         "tls_self_signed = yes",
                         cert_path);
    }
    if (config_get(c, CONFIG_tls_cert).n > 0) {
        return tool_fail(EXIT_ENVIRONMENT, "tls_cert: there is no %s", cert_path);
    }
    log_warn("no certificate %s: TLS is not offered; set tls_cert, or tls_self_signed = yes",
             cert_path);
    config_set(c, CONFIG_tls, STR("off"));
    return EXIT_FINE;
}

/* A self-signed certificate and its key; never over a key that is there. */
static enum err make_pair(const struct config *c, struct state *s, const char *cert_path,
                          const char *key_path)
{
    if (access(key_path, F_OK) == 0) {
        return ERR_EXISTS;
    }
    TRY(make_certificate(c, s));
    TRY(state_write_file(key_path, buf_str(&s->tls_key), 0600));
    return state_write_file(cert_path, buf_str(&s->tls_cert), 0644);
}

static int get_tls(struct config *c, struct state *s)
{
    char cert_path[PATH_MAX];
    char key_path[PATH_MAX];
    if (str_eq(config_get(c, CONFIG_tls), STR("off"))) {
        return EXIT_FINE;
    }
    get_tls_path(c, CONFIG_tls_cert, s, "tls-cert.pem", cert_path);
    get_tls_path(c, CONFIG_tls_key, s, "tls-key.pem", key_path);
    const char *path = cert_path;
    enum err e = state_read_file(cert_path, &s->tls_cert);
    if (e == ERR_NOT_FOUND && !config_is_on(c, CONFIG_tls_self_signed)) {
        return without_tls(c, cert_path);
    }
    if (e == ERR_NOT_FOUND) {
        e = make_pair(c, s, cert_path, key_path);
        path = e == ERR_EXISTS ? key_path : cert_path;
    } else if (e == ERR_OK) {
        path = key_path;
        e = state_read_file(key_path, &s->tls_key);
    }
    if (e != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(e));
    }
    e = certificate_check(buf_str(&s->tls_cert), buf_str(&s->tls_key));
    if (e != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "%s and %s: %s", cert_path, key_path,
                         e == ERR_SYNTAX ? "not a certificate and its key in PEM"
                                         : "the key is not that certificate's");
    }
    return EXIT_FINE;
}

int state_read_tls(const struct state *now, struct config *c, struct buf *cert, struct buf *key)
{
    struct state fresh = {
        .pid_fd = -1, .tls_cert = BUF_INIT(PEM_MOST), .tls_key = BUF_INIT(PEM_MOST)};
    (void)snprintf(fresh.dir, sizeof(fresh.dir), "%s", now->dir);
    int code = get_tls(c, &fresh);
    if (code != EXIT_FINE) {
        buf_wipe(&fresh.tls_key);
        buf_release(&fresh.tls_cert);
        return code;
    }
    *cert = fresh.tls_cert;
    *key = fresh.tls_key;
    return EXIT_FINE;
}

/* The certificate, its key and the authority of links, and who the certificate says that we are. */
static int get_link(const struct config *c, const struct host *own, struct state *s)
{
    const struct {
        enum config_id id;
        const char *name;
        struct buf *out;
    } FILES[] = {{CONFIG_link_cert, "keys/link-cert.pem", &s->link_cert},
                 {CONFIG_link_key, "keys/link-key.pem", &s->link_key},
                 {CONFIG_link_ca, "keys/link-ca.pem", &s->link_ca}};
    char path[PATH_MAX];
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        get_tls_path(c, FILES[i].id, s, FILES[i].name, path);
        code = read_given(path, FILES[i].out);
    }
    get_tls_path(c, CONFIG_link_cert, s, "keys/link-cert.pem", path);
    struct tls_identity said = {.uris = BUF_INIT(PEM_MOST)};
    struct link_identity who = {.roles = 0};
    if (code == EXIT_FINE
        && (certificate_check(buf_str(&s->link_cert), buf_str(&s->link_key)) != ERR_OK
            || tls_read_identity(buf_str(&s->link_cert), &said) != ERR_OK
            || link_identity_parse(buf_str(&said.uris), &who) != ERR_OK)) {
        code = tool_fail(EXIT_ENVIRONMENT,
                         "%s: no link certificate that fits its key; see limetta link-cert", path);
    }
    buf_release(&said.uris);
    unsigned needed = own->roles & ~(1U << ROLE_CONVERT);
    if (code == EXIT_FINE && (needed & ~who.roles) != 0) {
        code =
            tool_fail(EXIT_ENVIRONMENT,
                      "%s: the certificate does not say all the roles that this host runs", path);
    }
    if (code == EXIT_FINE) {
        memcpy(s->name, who.name, sizeof(s->name));
    }
    return code;
}

void state_renew_link(struct state *s, const struct config *c, const struct host *own)
{
    struct state fresh = {.pid_fd = -1,
                          .link_cert = BUF_INIT(PEM_MOST),
                          .link_key = BUF_INIT(PEM_MOST),
                          .link_ca = BUF_INIT(PEM_MOST)};
    memcpy(fresh.dir, s->dir, sizeof(fresh.dir));
    bool is_usable = get_link(c, own, &fresh) == EXIT_FINE;
    if (is_usable && strcmp(fresh.name, s->name) == 0) {
        struct state old = *s;
        s->link_cert = fresh.link_cert;
        s->link_key = fresh.link_key;
        s->link_ca = fresh.link_ca;
        fresh.link_cert = old.link_cert;
        fresh.link_key = old.link_key;
        fresh.link_ca = old.link_ca;
    } else {
        log_error("the link certificate stays as it was: the new one %s",
                  is_usable ? "is another host's; that needs a restart of the server"
                            : "is not usable");
    }
    buf_release(&fresh.link_cert);
    buf_wipe(&fresh.link_key);
    buf_release(&fresh.link_ca);
}

/* The nearest folder above dir that uid may not pass, or NULL. Permission bits only. */
static const char *find_barrier(const char *dir, uid_t uid, gid_t gid, char path[PATH_MAX])
{
    for (size_t i = 1; dir[i] != '\0'; i++) {
        struct stat st;
        if (dir[i] != '/') {
            continue;
        }
        (void)snprintf(path, PATH_MAX, "%.*s", (int)i, dir);
        if (stat(path, &st) != 0) {
            return path;
        }
        mode_t bit = st.st_uid == uid ? S_IXUSR : st.st_gid == gid ? S_IXGRP : S_IXOTH;
        if ((st.st_mode & bit) == 0) {
            return path;
        }
    }
    return NULL;
}

/* Who the roles become. */
static int choose_user(const struct config *c, struct state *s)
{
    s->uid = geteuid();
    s->gid = getegid();
    if (s->uid != 0) {
        return EXIT_FINE;
    }
    struct str set = config_get(c, CONFIG_user);
    char name[256];
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(set));
    const struct passwd *p = set.n > 0 ? getpwnam(name) : getpwnam("limetta");
    if (p == NULL && set.n > 0) {
        return tool_fail(EXIT_ENVIRONMENT, "user = %s: there is no such system user", name);
    }
    if (p == NULL) {
        p = getpwnam("nobody");
    }
    char path[PATH_MAX];
    const char *barrier =
        p == NULL || p->pw_uid == 0 ? NULL : find_barrier(s->dir, p->pw_uid, p->pw_gid, path);
    if (barrier != NULL && set.n > 0) {
        return tool_fail(EXIT_ENVIRONMENT,
                         "system user %s may not enter %s, above the state folder", name, barrier);
    }
    if (barrier != NULL) {
        log_warn("system user %s may not enter %s, above the state folder: the roles stay root, "
                 "without its capabilities; a state folder elsewhere is better",
                 p->pw_name, barrier);
    } else if (p != NULL) {
        s->uid = p->pw_uid;
        s->gid = p->pw_gid;
    }
    return EXIT_FINE;
}

/* Gives one folder and all below it; symbolic links are not followed. */
static enum err give_tree(char *path, uid_t uid, gid_t gid)
{
    char *const roots[] = {path, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (walk == NULL) {
        return err_from_errno(errno);
    }
    enum err e = ERR_OK;
    const FTSENT *f;
    while (e == ERR_OK && (f = fts_read(walk)) != NULL) {
        bool is_there = f->fts_info != FTS_DP && f->fts_info != FTS_NS && f->fts_info != FTS_ERR;
        bool is_given = is_there && f->fts_statp->st_uid == uid && f->fts_statp->st_gid == gid;
        if (is_there && !is_given && lchown(f->fts_path, uid, gid) != 0 && errno != ENOENT) {
            e = err_from_errno(errno);
        }
    }
    (void)fts_close(walk);
    return e;
}

enum err state_give(const char *dir, uid_t uid, gid_t gid)
{
    static const char *const FOLDERS[] = {"auth", "accounts", "queue"};
    if (geteuid() != 0) {
        return ERR_OK;
    }
    if (chown(dir, uid, gid) != 0) {
        return err_from_errno(errno);
    }
    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
        char path[PATH_MAX];
        make_path(path, dir, FOLDERS[i]);
        TRY(give_tree(path, uid, gid));
    }
    return ERR_OK;
}

static void get_bufs(struct state *s, struct buf *out[STATE_BUFS])
{
    struct buf *const bufs[STATE_BUFS] = {
        &s->ticket_private, &s->ticket_public, &s->submit_password, &s->seal_key, &s->tls_cert,
        &s->tls_key,        &s->link_cert,     &s->link_key,        &s->link_ca};
    memcpy(out, bufs, sizeof(bufs));
}

static void begin(struct state *s)
{
    struct buf *bufs[STATE_BUFS];
    *s = (struct state){.pid_fd = -1, .name = STATE_LOCAL_NAME};
    get_bufs(s, bufs);
    for (size_t i = 0; i < STATE_BUFS; i++) {
        *bufs[i] = BUF_INIT(PEM_MOST);
    }
    (void)umask(077);
}

/* What auth makes; what others of its secrets need is read, and was copied here. */
static int get_keys(const struct host *own, struct state *s)
{
    bool has_auth = hosts_has(own, ROLE_AUTH);
    bool has_submit = hosts_has(own, ROLE_SUBMIT);
    int code = EXIT_FINE;
    if (has_auth) {
        code = get_ticket_keys(s);
        code = code == EXIT_FINE ? get_submit_password(s) : code;
        return code == EXIT_FINE ? make_submit_user(s) : code;
    }
    if (has_submit || hosts_has(own, ROLE_STORE)) {
        code = get_ticket_public(s);
    }
    return code == EXIT_FINE && has_submit ? get_given_password(s) : code;
}

int state_prepare(const char *dir, struct config *c, const struct hosts *hosts, struct state *s)
{
    const struct host *own = &hosts->at[0];
    begin(s);
    int code = sodium_init() < 0 ? tool_fail(EXIT_ENVIRONMENT, "no source of randomness")
                                 : make_folders(dir, own, s);
    code = code == EXIT_FINE ? take_pid_file(s) : code;
    code = code == EXIT_FINE ? get_keys(own, s) : code;
    bool has_sessions = hosts_has(own, ROLE_STORE) || hosts_has(own, ROLE_SUBMIT);
    if (code == EXIT_FINE && has_sessions) {
        code = get_random(s, "keys/seal", SEAL_KEY_SIZE, &s->seal_key);
    }
    code = code == EXIT_FINE && hosts_has(own, ROLE_EDGE) ? get_tls(c, s) : code;
    code = code == EXIT_FINE && hosts->count > 1 ? get_link(c, own, s) : code;
    code = code == EXIT_FINE ? choose_user(c, s) : code;
    if (code == EXIT_FINE && state_give(s->dir, s->uid, s->gid) != ERR_OK) {
        code = fail_errno(s->dir);
    }
    if (code != EXIT_FINE) {
        state_release(s);
    }
    return code;
}

int state_read_keys(const char *dir, struct state *s)
{
    begin(s);
    int code =
        sodium_init() < 0 ? tool_fail(EXIT_ENVIRONMENT, "no source of randomness") : EXIT_FINE;
    if (code == EXIT_FINE && realpath(dir, s->dir) == NULL) {
        code = fail_errno(dir);
    }
    code = code == EXIT_FINE ? make_folder(s->dir, "keys") : code;
    code = code == EXIT_FINE ? get_ticket_keys(s) : code;
    code = code == EXIT_FINE ? get_submit_password(s) : code;
    if (code != EXIT_FINE) {
        state_release(s);
    }
    return code;
}

void state_release(struct state *s)
{
    struct buf *bufs[STATE_BUFS];
    get_bufs(s, bufs);
    for (size_t i = 0; i < STATE_BUFS; i++) {
        if (bufs[i]->p != NULL) {
            explicit_bzero(bufs[i]->p, bufs[i]->size);
        }
        buf_release(bufs[i]);
    }
    if (s->pid_fd >= 0) {
        char path[PATH_MAX];
        make_path(path, s->dir, "run/pid");
        (void)unlink(path);
        (void)close(s->pid_fd);
        s->pid_fd = -1;
    }
}
