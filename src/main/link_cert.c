/* limetta link-cert: the authority of links, and what it hands to each host.
 *
 *     limetta link-cert ca [--days N] [--state DIR]
 *     limetta link-cert issue NAME --roles "ROLE ..." --out FOLDER [--days N] [--renew] [--state DIR]
 *     limetta link-cert show [FILE ...] [--state DIR]
 *
 * Run where auth runs: issue also hands on what a host of these roles needs of auth's keys, which is the public half
 * of the ticket key for store and submit, and the submission server's own password for submit. So FOLDER is all that
 * must be copied to a host, into keys/ of its state folder, and an edge's holds nothing but its certificate. Nothing
 * is overwritten, except with --renew; the authority's key never leaves the folder it was made in. */
#include "main/link_cert.h"

#include "base/buf.h"
#include "main/hosts.h"
#include "main/link_ca.h"
#include "main/state.h"
#include "net/tls.h"
#include "tools/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEM_MOST = 64 * 1024, CA_DAYS = 3650, CERT_DAYS = 825, DAYS_MOST = 36500, SOON_DAYS = 30 };
enum { DAY_S = 24 * 60 * 60 };

static const char USAGE[] = "limetta link-cert ca [--days N] [--state DIR]\n"
                            "       limetta link-cert issue NAME --roles \"ROLE ...\" --out FOLDER "
                            "[--days N] [--renew] [--state DIR]\n"
                            "       limetta link-cert show [FILE ...] [--state DIR]";

struct args {
    const char *state;
    const char *roles;
    const char *out;
    const char *days;
    bool is_renewal;
    struct tool_words words;
};

static int fail_file(const char *path, enum err e)
{
    return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(e));
}

/* folder + "/" + name */
static void make_path(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
        out[0] = '\0';
    }
}

static int get_days(const struct args *a, int fallback, int *out)
{
    uint64_t days = (uint64_t)fallback;
    if (a->days != NULL && (!str_to_u64(str_from_c(a->days), DAYS_MOST, &days) || days == 0)) {
        return tool_fail(EXIT_USAGE, "--days must be a number from 1 to %d", DAYS_MOST);
    }
    *out = (int)days;
    return EXIT_FINE;
}

/* Writes folder/name; over one that is there only when asked to. */
static int put(const struct args *a, const char *folder, const char *name, struct str octets)
{
    char path[PATH_MAX];
    make_path(path, folder, name);
    if (!a->is_renewal && access(path, F_OK) == 0) {
        return tool_fail(EXIT_NOT_SO, "%s is there; nothing is overwritten without --renew", path);
    }
    enum err e = state_write_file(path, octets, 0600);
    return e == ERR_OK ? EXIT_FINE : fail_file(path, e);
}

/* ---- ca ---- */

static int run_ca(const struct args *a)
{
    char folder[PATH_MAX];
    CLEANUP(buf_release) struct buf cert = BUF_INIT(PEM_MOST);
    CLEANUP(buf_wipe) struct buf key = BUF_INIT(PEM_MOST);
    int days = 0;
    int code = get_days(a, CA_DAYS, &days);
    if (code != EXIT_FINE || a->words.count != 1) {
        return code != EXIT_FINE ? code : tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    make_path(folder, a->state, "keys");
    if ((mkdir(a->state, 0700) != 0 && errno != EEXIST)
        || (mkdir(folder, 0700) != 0 && errno != EEXIST)) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", folder, strerrordesc_np(errno));
    }
    enum err e = link_ca_make(days, &cert, &key);
    if (e != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "cannot make an authority: %s", tool_explain(e));
    }
    code = put(a, folder, "link-ca-key.pem", buf_str(&key));
    code = code == EXIT_FINE ? put(a, folder, "link-ca.pem", buf_str(&cert)) : code;
    if (code == EXIT_FINE) {
        (void)printf("%s/link-ca.pem and link-ca-key.pem: the authority of this system's links\n",
                     folder);
    }
    return code;
}

/* ---- issue ---- */

struct issue {
    const struct args *args;
    struct link_identity who;
    struct buf ca_cert;
    struct buf ca_key;
    struct buf cert;
    struct buf key;
};

static int read_who(const struct args *a, struct link_identity *out)
{
    struct str name = str_from_c(a->words.at[1]);
    struct str words = str_from_c(a->roles);
    *out = (struct link_identity){.roles = 0};
    if (!link_identity_is_name(name)) {
        return tool_fail(
            EXIT_USAGE, "%s: a host is called by small letters, digits, - and .; and not \"local\"",
            a->words.at[1]);
    }
    memcpy(out->name, name.p, name.n);
    while (words.n > 0) {
        enum link_role role;
        struct str word = str_split(&words, ' ');
        if (word.n == 0) {
            continue;
        }
        if (!hosts_find_role(word, &role) || role == ROLE_CONVERT) {
            return tool_fail(EXIT_USAGE, "--roles: some of edge, auth, store, submit; not %.*s",
                             STR_ARG(word));
        }
        out->roles |= 1U << role;
    }
    return out->roles != 0 ? EXIT_FINE : tool_fail(EXIT_USAGE, "--roles must say what runs there");
}

static int read_ca(struct issue *i)
{
    char path[PATH_MAX];
    make_path(path, i->args->state, "keys/link-ca.pem");
    enum err e = state_read_file(path, &i->ca_cert);
    if (e == ERR_NOT_FOUND) {
        return tool_fail(EXIT_NOT_SO, "there is no %s; limetta link-cert ca makes it", path);
    }
    if (e == ERR_OK) {
        make_path(path, i->args->state, "keys/link-ca-key.pem");
        e = state_read_file(path, &i->ca_key);
    }
    return e == ERR_OK ? EXIT_FINE : fail_file(path, e);
}

/* All that the host needs, and no more. */
static int write_all(const struct issue *i)
{
    const struct args *a = i->args;
    bool has_submit = (i->who.roles >> ROLE_SUBMIT & 1) != 0;
    bool has_store = (i->who.roles >> ROLE_STORE & 1) != 0;
    struct state s;
    if (mkdir(a->out, 0700) != 0 && errno != EEXIST) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", a->out, strerrordesc_np(errno));
    }
    int code = put(a, a->out, "link-key.pem", buf_str(&i->key));
    code = code == EXIT_FINE ? put(a, a->out, "link-cert.pem", buf_str(&i->cert)) : code;
    bool is_auth = (i->who.roles >> ROLE_AUTH & 1) != 0;
    if (code != EXIT_FINE || is_auth) {
        return code; /* auth's host has all else already */
    }
    code = put(a, a->out, "link-ca.pem", buf_str(&i->ca_cert));
    if (code != EXIT_FINE || (!has_submit && !has_store)) {
        return code;
    }
    code = state_read_keys(a->state, &s);
    if (code != EXIT_FINE) {
        return code;
    }
    code = put(a, a->out, "ticket-public.pem", buf_str(&s.ticket_public));
    code = code == EXIT_FINE && has_submit
               ? put(a, a->out, "submit-password", buf_str(&s.submit_password))
               : code;
    state_release(&s);
    return code;
}

static int run_issue(const struct args *a)
{
    struct issue i = {
        .args = a,
        .ca_cert = BUF_INIT(PEM_MOST),
        .ca_key = BUF_INIT(PEM_MOST),
        .cert = BUF_INIT(PEM_MOST),
        .key = BUF_INIT(PEM_MOST),
    };
    int days = 0;
    if (a->words.count != 2 || a->roles == NULL || a->out == NULL) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    int code = get_days(a, CERT_DAYS, &days);
    code = code == EXIT_FINE ? read_who(a, &i.who) : code;
    code = code == EXIT_FINE ? read_ca(&i) : code;
    if (code == EXIT_FINE) {
        struct link_ca ca = {buf_str(&i.ca_cert), buf_str(&i.ca_key)};
        enum err e = link_ca_issue(&ca, &i.who, days, &i.cert, &i.key);
        code = e == ERR_OK
                   ? write_all(&i)
                   : tool_fail(EXIT_ENVIRONMENT, "keys/link-ca.pem, keys/link-ca-key.pem: %s",
                               e == ERR_SYNTAX ? "not an authority and its key in PEM"
                                               : tool_explain(e));
    }
    if (code == EXIT_FINE) {
        (void)printf("%s: copy what is in it to %s, into keys/ of its state folder\n", a->out,
                     i.who.name);
    }
    buf_wipe(&i.ca_key);
    buf_wipe(&i.key);
    buf_release(&i.ca_cert);
    buf_release(&i.cert);
    return code;
}

/* ---- show ---- */

static void print_time(const char *what, int64_t when_s)
{
    char text[32] = "";
    struct tm parts;
    time_t t = (time_t)when_s;
    if (gmtime_r(&t, &parts) != NULL) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
    }
    (void)printf("  %s %s\n", what, text);
}

/* What stands in one certificate; EXIT_NOT_SO when it is over, or soon will be. */
static int show(const char *path)
{
    CLEANUP(buf_release) struct buf pem = BUF_INIT(PEM_MOST);
    CLEANUP(buf_release) struct buf names = BUF_INIT(PEM_MOST);
    struct tls_identity said = {.uris = BUF_INIT(PEM_MOST)};
    struct link_identity who;
    enum err e = state_read_file(path, &pem);
    if (e != ERR_OK) {
        return fail_file(path, e);
    }
    if (tls_read_identity(buf_str(&pem), &said) != ERR_OK) {
        return tool_fail(EXIT_NOT_SO, "%s: no certificate in PEM", path);
    }
    bool is_host = link_identity_parse(buf_str(&said.uris), &who) == ERR_OK;
    int64_t left_days = (said.until_s - (int64_t)time(NULL)) / DAY_S;
    (void)printf("%s\n", path);
    if (is_host) {
        link_identity_write(&who, &names);
        (void)printf("  host  %s\n  says  %s\n", who.name, names.p);
    } else {
        (void)printf("  %s\n",
                     said.uris.len > 0 ? "says what no link certificate says" : "an authority");
    }
    print_time("from ", said.from_s);
    print_time("until", said.until_s);
    (void)printf("  %lld days left\n", (long long)left_days);
    buf_release(&said.uris);
    return left_days >= SOON_DAYS ? EXIT_FINE : EXIT_NOT_SO;
}

static int run_show(const struct args *a)
{
    char path[PATH_MAX];
    int worst = EXIT_FINE;
    for (int i = 1; i < a->words.count; i++) {
        int code = show(a->words.at[i]);
        worst = code > worst ? code : worst;
    }
    if (a->words.count == 1) {
        make_path(path, a->state, "keys/link-cert.pem");
        worst = show(path);
    }
    return worst;
}

int link_cert(int argc, char **argv)
{
    struct args a = {.state = "state", .words = {.most = TOOL_WORDS_MOST - 1}};
    const struct tool_option options[] = {
        {"--state", &a.state, NULL}, {"--roles", &a.roles, NULL},      {"--out", &a.out, NULL},
        {"--days", &a.days, NULL},   {"--renew", NULL, &a.is_renewal}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &a.words);
    if (code != EXIT_FINE) {
        return code;
    }
    const char *what = a.words.count > 0 ? a.words.at[0] : "";
    if (strcmp(what, "ca") == 0) {
        return run_ca(&a);
    }
    if (strcmp(what, "issue") == 0) {
        return run_issue(&a);
    }
    return strcmp(what, "show") == 0 ? run_show(&a) : tool_fail(EXIT_USAGE, "usage: %s", USAGE);
}
