/* limetta check HOST: is the path to a server fit for phones? (RFC 5383)
 *
 *     client      -> IMAP 143, submission 587, ACAP 674, ManageSieve 4190; 25 only to see who answers
 *     submission  -> IMAP 143
 *
 * For each leg: how connections go, who is in their way, whether what the server says before TLS is what it says under it, who the
 * certificate says it is; with a test account, whether octets come back as they went; and with --long, how much silence and age
 * connections survive. docs/check.md tells how to read it. */
#include "base/log.h"
#include "net/resolve.h"
#include "tools/check_path.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SECRET_MOST = 1024,
    PEM_MOST = 1024 * 1024,
    REPORT_MOST = 4 * 1024 * 1024,
    TIMEOUT_S = 20,
    CONNECT_S = 10,
    HOP_MS = 1000,
    MINUTE_MS = 60 * 1000,
    MAIL_WAIT_S = 60,
    OFFSET_MOST = 65535 - 4190,
    TIME_MOST = 3600
};

static const char USAGE[] =
    "limetta check HOST [--from client|submission] [--user NAME --password-stdin] "
    "[--address ADDRESS] [--long] [--json] [--legs LIST] [--port-offset N] [--ca FILE] "
    "[--expect-fingerprint SHA256] [--expect-imap WORDS] [--expect-submission WORDS] "
    "[--timeout S] [--connect-timeout S] [--mail-wait S] [--idle-unit-ms N]";

struct options {
    const char *from, *user, *address, *legs, *port_offset, *ca, *fingerprint;
    const char *expect_imap, *expect_submission, *timeout, *connect_timeout, *mail_wait, *unit;
    bool has_password, is_long, is_json;
};

/* The value of an option; false after one line on standard error. */
static bool read_number(const char *name, const char *word, uint64_t most, uint64_t *out)
{
    if (word != NULL && (!str_to_u64(str_from_c(word), most, out))) {
        (void)tool_fail(EXIT_USAGE, "%s %s: a number up to %llu", name, word,
                        (unsigned long long)most);
        return false;
    }
    return true;
}

static int read_numbers(const struct options *o, struct check_run *run, uint64_t *offset)
{
    uint64_t timeout = TIMEOUT_S;
    uint64_t connect = CONNECT_S;
    uint64_t wait = MAIL_WAIT_S;
    run->minute_ms = MINUTE_MS;
    run->hop_ms = HOP_MS;
    if (!read_number("--timeout", o->timeout, TIME_MOST, &timeout)
        || !read_number("--connect-timeout", o->connect_timeout, TIME_MOST, &connect)
        || !read_number("--mail-wait", o->mail_wait, TIME_MOST, &wait)
        || !read_number("--idle-unit-ms", o->unit, MINUTE_MS, &run->minute_ms)
        || !read_number("--port-offset", o->port_offset, OFFSET_MOST, offset)) {
        return EXIT_USAGE;
    }
    if (timeout == 0 || connect == 0) {
        return tool_fail(EXIT_USAGE, "--timeout, --connect-timeout: a second at least");
    }
    run->timeout_ms = timeout * 1000;
    run->connect_ms = connect * 1000;
    run->mail_wait_ms = wait * 1000;
    return EXIT_FINE;
}

static int read_anchors(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;
    if (fd < 0) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, tool_explain(err_from_errno(errno)));
    }
    do {
        char *to = buf_reserve(out, PEM_MOST / 16);
        got = to == NULL ? -1 : read(fd, to, PEM_MOST / 16);
        buf_commit(out, got > 0 ? (size_t)got : 0);
    } while (got > 0);
    (void)close(fd);
    return got == 0 && out->len > 0 ? EXIT_FINE
                                    : tool_fail(EXIT_ENVIRONMENT, "%s cannot be read", path);
}

static int make_tls(const struct options *o, struct check_run *run)
{
    CLEANUP(buf_release) struct buf pem = BUF_INIT(PEM_MOST);
    int code = o->ca == NULL ? EXIT_FINE : read_anchors(o->ca, &pem);
    if (code != EXIT_FINE) {
        return code;
    }
    if (tls_client_context_new_observing(buf_str(&pem), &run->tls) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: no certificates",
                         o->ca == NULL ? "the system's store" : o->ca);
    }
    return EXIT_FINE;
}

static void choose_names(struct check_run *run)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz012345";
    unsigned char octets[sizeof(run->unique) - 1];
    if (RAND_bytes(octets, sizeof(octets)) != 1) {
        memset(octets, 0, sizeof(octets));
    }
    for (size_t i = 0; i < sizeof(octets); i++) {
        run->unique[i] = LETTERS[octets[i] % 32];
    }
    (void)snprintf(run->helo, sizeof(run->helo), "limetta-check.invalid");
}

/* ---- legs ---- */

/* "imap", "submission=1587": runs the leg. False: no such leg. */
static bool run_named(struct check_run *run, struct str word, uint64_t offset)
{
    struct str port = word;
    const struct check_kind *kind = check_kind_find(str_split(&port, '='));
    uint64_t n = kind == NULL ? 0 : kind->port + offset;
    if (kind == NULL || (port.n > 0 && !str_to_u64(port, UINT16_MAX, &n))) {
        return false;
    }
    if (check_report_find(&run->report, kind->name) == NULL) {
        check_leg_run(run, kind, (uint16_t)n, true);
    }
    return true;
}

static void run_usual(struct check_run *run, uint64_t offset)
{
    static const struct {
        struct str name;
        bool is_required;
        bool is_of_client;
    } LEGS[] = {{STR("imap"), true, false},
                {STR("submission"), true, true},
                {STR("acap"), false, true},
                {STR("sieve"), false, true},
                {STR("smtp"), false, true}};
    bool is_client = strcmp(run->report.from, "client") == 0;
    for (size_t i = 0; i < sizeof(LEGS) / sizeof(LEGS[0]); i++) {
        const struct check_kind *kind = check_kind_find(LEGS[i].name);
        if (is_client || !LEGS[i].is_of_client) {
            check_leg_run(run, kind, (uint16_t)(kind->port + offset), LEGS[i].is_required);
        }
    }
}

static int run_legs(const struct options *o, struct check_run *run, uint64_t offset)
{
    struct str list = str_from_c(o->legs);
    if (o->legs == NULL) {
        run_usual(run, offset);
    }
    while (list.n > 0) {
        struct str word = str_split(&list, ',');
        if (!run_named(run, word, offset)) {
            return tool_fail(EXIT_USAGE,
                             "--legs: %.*s is none of imap, submission, acap, sieve, smtp, with or "
                             "without =PORT",
                             STR_ARG(word));
        }
    }
    check_legs_finish(run);
    if (o->is_long) {
        check_idle_run(run);
    }
    return EXIT_FINE;
}

static int print(const struct options *o, const struct check_run *run)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(REPORT_MOST);
    if (o->is_json && check_report_write_json(&run->report, &out) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the report is too large");
    }
    if (!o->is_json) {
        check_report_write_text(&run->report, o->is_long, &out);
    }
    bool is_written = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    return is_written ? check_report_get_exit(&run->report)
                      : tool_fail(EXIT_ENVIRONMENT, "standard output cannot be written");
}

static int check_host(const struct options *o, struct check_run *run, struct str host)
{
    uint64_t offset = 0;
    int code = read_numbers(o, run, &offset);
    if (code == EXIT_FINE) {
        code = make_tls(o, run);
    }
    if (code != EXIT_FINE) {
        return code;
    }
    run->loop = loop_new();
    run->report.host = host;
    run->report.has_login = run->password.n > 0;
    run->expectation = (struct check_expectation){host, str_from_c(o->fingerprint),
                                                  (int64_t)(loop_wall_ms(run->loop) / 1000)};
    run->expect_imap = str_from_c(o->expect_imap);
    run->expect_submission = str_from_c(o->expect_submission);
    choose_names(run);
    if (check_resolve(run, host)) {
        code = run_legs(o, run, offset);
    }
    code = code == EXIT_FINE ? print(o, run) : code;
    check_report_release(&run->report);
    loop_free(&run->loop);
    tls_context_free(&run->tls);
    return code;
}

/* What goes into commands must not end them. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ') {
            return false;
        }
    }
    return true;
}

/* A SHA-256, as openssl and this tool write it: 64 hexadecimal digits, with or without colons. */
static bool is_fingerprint(const char *s)
{
    unsigned digits = 0;
    for (; *s != '\0'; s++) {
        if (strchr("0123456789abcdefABCDEF:", *s) == NULL) {
            return false;
        }
        digits += *s != ':' ? 1 : 0;
    }
    return digits == 64;
}

/* The host as the domain of an address (RFC 5321, 4.1.3). */
static void add_domain(struct buf *out, struct str host)
{
    struct sockaddr_storage at;
    if (!resolve_numeric(host, 0, &at)) {
        buf_addf(out, "@%.*s", STR_ARG(host));
        return;
    }
    buf_addf(out, "@[%s%.*s]", at.ss_family == AF_INET6 ? "IPv6:" : "", STR_ARG(host));
}

/* With the login, if there is one. */
static int check_with_login(const struct options *o, struct check_run *run, struct str host)
{
    char line[SECRET_MOST];
    CLEANUP(buf_release) struct buf address = BUF_INIT(SECRET_MOST);
    run->user = str_from_c(o->user);
    buf_add_c(&address, o->address != NULL ? o->address : o->user != NULL ? o->user : "");
    if (str_starts(host, STR("[")) && str_ends(host, STR("]"))) {
        host = str_sub(host, 1, host.n - 2);
    }
    if (str_find_char(buf_str(&address), '@') == address.len) {
        add_domain(&address, host);
    }
    run->address = buf_str(&address);
    run->password = o->has_password ? tool_read_secret(line, sizeof(line)) : STR_EMPTY;
    int code = EXIT_FINE;
    if (o->has_password != (o->user != NULL) || (o->has_password && run->password.n == 0)) {
        code = tool_fail(EXIT_USAGE, "--user NAME and --password-stdin, with a password, belong "
                                     "together");
    } else if (!is_plain(host) || !is_plain(run->user) || !is_plain(run->address)
               || !is_plain(run->password)) {
        code = tool_fail(EXIT_USAGE, "host, name, address and password: no control characters");
    } else {
        code = check_host(o, run, host);
    }
    explicit_bzero(line, sizeof(line));
    return code;
}

int tool_check(int argc, char **argv)
{
    struct options o = {.from = "client"};
    struct check_run run = {.report = {.from = ""}};
    struct tool_words words = {.most = 1};
    const struct tool_option options[] = {
        {"--from", &o.from, NULL},
        {"--user", &o.user, NULL},
        {"--password-stdin", NULL, &o.has_password},
        {"--address", &o.address, NULL},
        {"--long", NULL, &o.is_long},
        {"--json", NULL, &o.is_json},
        {"--legs", &o.legs, NULL},
        {"--port-offset", &o.port_offset, NULL},
        {"--ca", &o.ca, NULL},
        {"--expect-fingerprint", &o.fingerprint, NULL},
        {"--expect-imap", &o.expect_imap, NULL},
        {"--expect-submission", &o.expect_submission, NULL},
        {"--timeout", &o.timeout, NULL},
        {"--connect-timeout", &o.connect_timeout, NULL},
        {"--mail-wait", &o.mail_wait, NULL},
        {"--idle-unit-ms", &o.unit, NULL},
        {NULL, NULL, NULL},
    };
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    bool is_known = strcmp(o.from, "client") == 0 || strcmp(o.from, "submission") == 0;
    if (words.count != 1 || words.at[0][0] == '\0' || !is_known) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    if (o.fingerprint != NULL && !is_fingerprint(o.fingerprint)) {
        return tool_fail(EXIT_USAGE, "--expect-fingerprint: 64 hexadecimal digits, a SHA-256");
    }
    log_init("check", LOG_LEVEL_ERROR);
    run.report.from = o.from;
    return check_with_login(&o, &run, str_from_c(words.at[0]));
}
