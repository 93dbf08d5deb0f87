/* The load generator: sleepers, people who log in, and attacks, by the hundred thousand, against a server on this machine.
 *
 *     load MODE ADDRESS:PORT [name=value ...]
 *
 * Everything is bounded (load.h), and only loopback and tests' own namespaces can be targets (target.c). Results are lines of name=value on
 * standard output, for whoever runs it: bench/silence, bench/attacks, the system tests. */
#include "load.h"
#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_COUNT = 100, DEFAULT_RATE = 1000, DEFAULT_SECONDS = 60, DEFAULT_INTERVAL_MS = 1000 };

static int fail_usage(const char *what, const char *which)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, which);
    return 2;
}

static int print_usage(void)
{
    (void)printf("usage: load MODE ADDRESS:PORT [name=value ...]\n"
                 "modes:\n  %-10s  %s\n  %-10s  %s\n",
                 MODE_DORMANT.name, MODE_DORMANT.help, MODE_LOGINS.name, MODE_LOGINS.help);
    for (size_t i = 0; attack_get(i) != NULL; i++) {
        (void)printf("  %-10s  %s\n", attack_get(i)->name, attack_get(i)->help);
    }
    (void)printf(
        "names: count, window, rate (a second), seconds, interval_ms, user (a prefix), users "
        "(user0, user1, ...), password,\n  from (an IPv4 address), sources (addresses from "
        "there on), step (1 or 256), tls, compress, plain, once (1: yes),\n  service (imap, "
        "submission)\n");
    return 2;
}

static bool read_number(const char *text, unsigned least, unsigned most, unsigned *out)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < least || n > most) {
        return false;
    }
    *out = (unsigned)n;
    return true;
}

static bool read_flag(const char *text, bool *out)
{
    unsigned n = 0;
    bool is_good = read_number(text, 0, 1, &n);
    *out = n == 1;
    return is_good;
}

static bool read_from(const char *text, uint32_t *out)
{
    struct in_addr a;
    bool is_good = inet_pton(AF_INET, text, &a) == 1;
    *out = is_good ? ntohl(a.s_addr) : 0;
    return is_good;
}

static bool read_service(const char *text, bool *is_submission)
{
    *is_submission = strcmp(text, "submission") == 0;
    return *is_submission || strcmp(text, "imap") == 0;
}

static bool read_numeric(struct load_options *o, const char *name, const char *value,
                         bool *is_known)
{
    const struct {
        const char *name;
        unsigned *out;
        unsigned least;
        unsigned most;
    } NUMBERS[] = {
        {"count", &o->count, 1, COUNT_MOST},
        {"window", &o->window, 1, COUNT_MOST},
        {"rate", &o->rate, 1, RATE_MOST},
        {"seconds", &o->seconds, 1, SECONDS_MOST},
        {"interval_ms", &o->interval_ms, 1, 1000000},
        {"users", &o->users, 1, USERS_MOST},
        {"sources", &o->sources, 1, 65536},
        {"step", &o->step, 1, 256},
    };
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        if (strcmp(NUMBERS[i].name, name) == 0) {
            *is_known = true;
            return read_number(value, NUMBERS[i].least, NUMBERS[i].most, NUMBERS[i].out);
        }
    }
    *is_known = false;
    return false;
}

static bool read_option(struct load_options *o, const char *name, const char *value)
{
    bool is_known = false;
    bool is_good = read_numeric(o, name, value, &is_known);
    if (is_known) {
        return is_good;
    }
    if (strcmp(name, "tls") == 0) {
        return read_flag(value, &o->is_tls);
    }
    if (strcmp(name, "compress") == 0) {
        return read_flag(value, &o->is_compressed);
    }
    if (strcmp(name, "plain") == 0) {
        return read_flag(value, &o->is_plain);
    }
    if (strcmp(name, "once") == 0) {
        return read_flag(value, &o->is_once);
    }
    if (strcmp(name, "from") == 0) {
        return read_from(value, &o->from);
    }
    if (strcmp(name, "service") == 0) {
        return read_service(value, &o->is_submission);
    }
    if (strcmp(name, "user") == 0) {
        o->user = value;
        return strlen(value) < 32;
    }
    if (strcmp(name, "password") == 0) {
        o->password = value;
        return strlen(value) < 128;
    }
    return false;
}

static int read_options(struct load_options *o, char **words)
{
    for (; *words != NULL; words++) {
        char *equals = strchr(*words, '=');
        if (equals == NULL) {
            return fail_usage("name=value was expected", *words);
        }
        *equals = '\0';
        if (!read_option(o, *words, equals + 1)) {
            return fail_usage("no such name, or not its value", *words);
        }
    }
    if (o->window == 0) {
        o->window = o->count;
    }
    return 0;
}

static const struct mode *find_mode(const char *name)
{
    if (strcmp(name, MODE_DORMANT.name) == 0) {
        return &MODE_DORMANT;
    }
    return strcmp(name, MODE_LOGINS.name) == 0 ? &MODE_LOGINS : attack_find(name);
}

static int run(struct load *l)
{
    l->tls = SSL_CTX_new(TLS_client_method());
    l->keys = calloc(l->options.users, sizeof(*l->keys));
    if (l->tls == NULL || l->keys == NULL) {
        return 1;
    }
    /* Nobody is authenticated: what is measured is on this machine. No sessions are kept, each handshake is a full one. */
    SSL_CTX_set_verify(l->tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(l->tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(l->tls, SSL_SESS_CACHE_OFF);
    int code = engine_run(l);
    free(l->keys);
    SSL_CTX_free(l->tls);
    return code;
}

int main(int argc, char **argv)
{
    struct load *l = calloc(1, sizeof(*l));
    if (l == NULL || argc < 3) {
        free(l);
        return print_usage();
    }
    l->options = (struct load_options){.count = DEFAULT_COUNT,
                                       .rate = DEFAULT_RATE,
                                       .seconds = DEFAULT_SECONDS,
                                       .interval_ms = DEFAULT_INTERVAL_MS,
                                       .users = 1,
                                       .sources = 1,
                                       .step = 1,
                                       .user = "user",
                                       .password = "password"};
    l->mode = find_mode(argv[1]);
    int code = 0;
    if (l->mode == NULL) {
        code = print_usage();
    } else if (!target_parse(argv[2], &l->options.to, &l->options.to_size)) {
        code = fail_usage("not an address and a port", argv[2]);
    } else if (target_find_objection(&l->options.to) != NULL) {
        code = fail_usage(target_find_objection(&l->options.to), argv[2]);
    } else {
        code = read_options(&l->options, argv + 3);
    }
    if (code == 0) {
        code = run(l);
    }
    free(l);
    return code;
}
