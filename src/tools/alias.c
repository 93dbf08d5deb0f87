/* limetta alias: addresses that lead elsewhere.
 *
 *     limetta alias add ADDRESS TARGET... [--state DIR] [--config FILE]
 *     limetta alias remove ADDRESS [TARGET...] [--state DIR]
 *     limetta alias list [ADDRESS] [--state DIR]
 *     limetta alias import FILE [--skip] [--state DIR] [--config FILE]
 *
 * ADDRESS: "info@example.org", "info" (at each of our domains), "@example.org" (what nobody else gets there). TARGET: an
 * account, another alias, or an address anywhere. A running server knows at once. A change is made whole or not at all: one
 * that would lead in a circle, or further than a look-up follows, is undone, and so is an import with a line that cannot be
 * taken, unless --skip passes over such lines. */
#include "tools/tool.h"

#include "auth/alias_file.h"
#include "auth/aliases.h"
#include "auth/lookup.h"
#include "auth/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_OCTETS_MOST = 64 * 1024 * 1024, ADDRESS_OCTETS_MOST = 1024 };

static const char USAGE[] =
    "limetta alias add ADDRESS TARGET... | remove ADDRESS [TARGET...] | list [ADDRESS] | "
    "import FILE [--skip] [--state DIR] [--config FILE]";

struct alias_args {
    const char *state;
    const char *config; /* read by our caller */
    bool is_skip;
    struct tool_words words;
    struct lookup_config lookup;
    struct users *users;
    int code; /* of an import: what went wrong first */
    unsigned long added;
    struct buf last; /* the alias that an import wrote last */
};

static int fail_store(enum err e)
{
    return tool_fail(tool_exit_code(e), "aliases: %s", tool_explain(e));
}

static int prepare(const char *raw, bool is_new, struct buf *out)
{
    if (address_prepare(str_from_c(raw), is_new, out) == ERR_OK) {
        return EXIT_FINE;
    }
    return tool_fail(EXIT_USAGE,
                     "%s: an alias is name@domain, name (at each local domain) or @domain", raw);
}

/* A target as it is kept: one word that can be an address. */
static bool is_target(struct str target)
{
    CLEANUP(buf_release) struct buf local = BUF_INIT(ADDRESS_OCTETS_MOST);
    struct str domain = STR_EMPTY;
    for (size_t i = 0; i < target.n; i++) {
        if ((unsigned char)target.p[i] <= ' ' || target.p[i] == 0x7f) {
            return false;
        }
    }
    if (str_find_char(target, '@') == target.n) {
        return name_prepare(target, false, &local) == ERR_OK;
    }
    return target.n <= ADDRESS_OCTETS_MOST && address_split(target, &local, &domain) == ERR_OK
           && str_find_char(domain, '<') == domain.n && str_find_char(domain, '>') == domain.n;
}

/* Follows what was just written. Says what is wrong, or what looks so. */
static int check(struct alias_args *a, struct str address)
{
    CLEANUP(buf_release) struct buf probe = BUF_INIT(2 * ADDRESS_OCTETS_MOST);
    CLEANUP(lookup_release) struct lookup l;
    struct str domains = str_trim(a->lookup.domains);
    struct str domain = str_split(&domains, ' ');
    if (str_starts(address, STR("@"))) {
        buf_add_c(&probe, "anybody-else");
    }
    buf_add(&probe, address);
    if (str_find_char(address, '@') == address.n) {
        buf_addf(&probe, "@%.*s", STR_ARG(domain));
    }
    lookup_init(&l);
    enum err e = lookup_address(a->users, &a->lookup, buf_str(&probe), &l);
    if (e == ERR_LIMIT) {
        return tool_fail(EXIT_NOT_SO,
                         "%.*s would lead to more than %d addresses, or through more than %d "
                         "aliases; nothing was changed",
                         STR_ARG(address), LOOKUP_TARGETS_MOST, LOOKUP_DEPTH_MOST);
    }
    if (l.is_circle) {
        return tool_fail(EXIT_NOT_SO, "%.*s would lead back to itself; nothing was changed",
                         STR_ARG(address));
    }
    if (e != ERR_OK && e != ERR_NO_USER) {
        return fail_store(e);
    }
    if (e == ERR_NO_USER && str_find_char(address, '@') < address.n) {
        (void)fprintf(stderr, "limetta: note: %.*s is in none of our domains (%.*s)%s\n",
                      STR_ARG(address), STR_ARG(a->lookup.domains),
                      a->config == NULL ? "; --config FILE says which they are" : "");
    }
    return EXIT_FINE;
}

static int add_one(struct alias_args *a, struct str address, struct str target)
{
    if (!is_target(target)) {
        return tool_fail(EXIT_USAGE, "%.*s is no account and no address", STR_ARG(target));
    }
    enum err e = alias_add(a->users, address, target);
    return e == ERR_OK || e == ERR_EXISTS ? EXIT_FINE : fail_store(e);
}

static int add(struct alias_args *a)
{
    CLEANUP(buf_release) struct buf address = BUF_INIT(ADDRESS_OCTETS_MOST);
    int code = prepare(a->words.at[1], true, &address);
    for (int i = 2; i < a->words.count && code == EXIT_FINE; i++) {
        code = add_one(a, buf_str(&address), str_from_c(a->words.at[i]));
    }
    return code == EXIT_FINE ? check(a, buf_str(&address)) : code;
}

static int remove_alias(struct alias_args *a)
{
    CLEANUP(buf_release) struct buf address = BUF_INIT(ADDRESS_OCTETS_MOST);
    int code = prepare(a->words.at[1], false, &address);
    int i = 2;
    do {
        struct str target = i < a->words.count ? str_from_c(a->words.at[i]) : STR_EMPTY;
        enum err e = code == EXIT_FINE ? alias_remove(a->users, buf_str(&address), target) : ERR_OK;
        if (e == ERR_NOT_FOUND) {
            code =
                tool_fail(EXIT_NOT_SO, "there is no alias %.*s%s%.*s", STR_ARG(buf_str(&address)),
                          target.n > 0 ? " to " : "", STR_ARG(target));
        } else if (e != ERR_OK) {
            code = fail_store(e);
        }
    } while (++i < a->words.count && code == EXIT_FINE);
    return code;
}

static bool print_row(void *owner, struct str address, struct str target)
{
    (void)printf("%.*s\t%.*s\n", STR_ARG(address), STR_ARG(target));
    return true;
}

static int list(struct alias_args *a)
{
    CLEANUP(buf_release) struct buf address = BUF_INIT(ADDRESS_OCTETS_MOST);
    int code = a->words.count > 1 ? prepare(a->words.at[1], false, &address) : EXIT_FINE;
    enum err e =
        code == EXIT_FINE ? alias_list(a->users, buf_str(&address), print_row, NULL) : ERR_OK;
    return e == ERR_OK ? code : fail_store(e);
}

/* ---- import ---- */

static void on_problem(void *owner, unsigned line, struct str what, const char *why)
{
    struct alias_args *a = owner;
    (void)fprintf(stderr, "limetta: line %u: %.*s: %s%s\n", line, STR_ARG(str_sub(what, 0, 200)),
                  why, a->is_skip ? "; passed over" : "");
    if (!a->is_skip && a->code == EXIT_FINE) {
        a->code = EXIT_NOT_SO;
    }
}

/* An alias of the file takes the place of one that was there. */
static void begin_alias(struct alias_args *a, struct str address)
{
    if (str_eq(address, buf_str(&a->last))) {
        return;
    }
    enum err e = alias_remove(a->users, address, STR_EMPTY);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        a->code = fail_store(e);
    }
    buf_clear(&a->last);
    buf_add(&a->last, address);
}

static void on_target(void *owner, unsigned line, struct str name, struct str target)
{
    struct alias_args *a = owner;
    CLEANUP(buf_release) struct buf address = BUF_INIT(ADDRESS_OCTETS_MOST);
    if (a->code != EXIT_FINE) {
        return;
    }
    if (address_prepare(name, true, &address) != ERR_OK) {
        on_problem(a, line, name, "that cannot be an address");
        return;
    }
    if (!is_target(target)) {
        on_problem(a, line, target, "no account and no address");
        return;
    }
    begin_alias(a, buf_str(&address));
    if (a->code == EXIT_FINE) {
        a->code = add_one(a, buf_str(&address), target);
        a->added++;
    }
}

static bool check_row(void *owner, struct str address, struct str target)
{
    struct alias_args *a = owner;
    if (!str_eq(address, buf_str(&a->last))) {
        buf_clear(&a->last);
        buf_add(&a->last, address);
        a->code = check(a, address);
    }
    return a->code == EXIT_FINE;
}

static int load(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, strerrordesc_np(errno));
    }
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), f)) > 0 && !out->is_full) {
        buf_add(out, str_make(part, n));
    }
    bool is_whole = feof(f) && !out->is_full;
    (void)fclose(f);
    return is_whole ? EXIT_FINE : tool_fail(EXIT_ENVIRONMENT, "%s: cannot be read whole", path);
}

static int import(struct alias_args *a)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(FILE_OCTETS_MOST);
    const struct alias_file_handler h = {on_target, on_problem, a};
    a->code = load(a->words.at[1], &text);
    if (a->code == EXIT_FINE) {
        alias_file_read(buf_str(&text), &h);
    }
    buf_clear(&a->last);
    enum err e = a->code == EXIT_FINE ? alias_list(a->users, STR_EMPTY, check_row, a) : ERR_OK;
    if (e != ERR_OK && a->code == EXIT_FINE) {
        a->code = fail_store(e);
    }
    if (a->code == EXIT_FINE) {
        (void)printf("%lu targets imported\n", a->added);
    } else {
        (void)fputs("limetta: nothing was imported\n", stderr);
    }
    return a->code;
}

struct alias_verb {
    const char *name;
    int words_least;
    int words_most;
    int (*run)(struct alias_args *a);
};

static const struct alias_verb *find_verb(const struct tool_words *w)
{
    static const struct alias_verb VERBS[] = {
        {"add", 3, TOOL_WORDS_MOST, add},
        {"remove", 2, TOOL_WORDS_MOST, remove_alias},
        {"list", 1, 2, list},
        {"import", 2, 2, import},
    };
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if (w->count > 0 && strcmp(VERBS[i].name, w->at[0]) == 0 && w->count >= VERBS[i].words_least
            && w->count <= VERBS[i].words_most) {
            return &VERBS[i];
        }
    }
    return NULL;
}

/* All of it or nothing. */
static int run_whole(struct alias_args *a, const struct alias_verb *verb)
{
    enum err e = users_begin(a->users);
    if (e != ERR_OK) {
        return fail_store(e);
    }
    int code = verb->run(a);
    e = users_end(a->users, code == EXIT_FINE ? ERR_OK : ERR_USAGE);
    return code == EXIT_FINE && e != ERR_OK ? fail_store(e) : code;
}

int tool_alias(int argc, char **argv, struct str domains, struct str delimiters)
{
    struct alias_args a = {.state = "state",
                           .words = {.most = TOOL_WORDS_MOST},
                           .lookup = {.domains = domains, .delimiters = delimiters},
                           .last = BUF_INIT(ADDRESS_OCTETS_MOST)};
    const struct tool_option options[] = {{"--state", &a.state, NULL},
                                          {"--config", &a.config, NULL},
                                          {"--skip", NULL, &a.is_skip},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &a.words);
    if (code != EXIT_FINE) {
        return code;
    }
    const struct alias_verb *verb = find_verb(&a.words);
    if (verb == NULL) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    code = tool_open_users(a.state, true, &a.users);
    code = code == EXIT_FINE ? run_whole(&a, verb) : code;
    users_close(&a.users);
    buf_release(&a.last);
    return code;
}
