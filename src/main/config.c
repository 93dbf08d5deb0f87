/* limetta.conf, read by libconfuse.
 *
 * libconfuse is told that every setting is a string, so `workers = 8` and `workers = "8"` are the same; what the string may
 * be stands in config.def, and is checked while libconfuse still knows the line, so that a problem names it. The first
 * problem ends the reading; of a setting that comes twice the last one counts. */
#include "main/config.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MOST = 4096, FILE_MOST = 1 << 20 };

static const struct config_key KEYS[CONFIG_COUNT] = {
#define CONFIG(id, type, fallback, least, most, choices, help)                                     \
    [CONFIG_##id] = {#id, CONFIG_##type, fallback, least, most, choices, help},
#include "main/config.def"
#undef CONFIG
};

struct config {
    struct buf values[CONFIG_COUNT];
};

const struct config_key *config_get_key(enum config_id id)
{
    return &KEYS[id];
}

static bool is_member(struct str list, struct str word)
{
    while (list.n > 0) {
        if (str_eq(str_split(&list, ' '), word)) {
            return true;
        }
    }
    return false;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_number(const struct config_key *k, struct str v)
{
    uint64_t number = 0;
    return str_to_u64(v, k->most, &number) && number >= k->least;
}

static bool is_right(const struct config_key *k, struct str v)
{
    switch (k->type) {
    case CONFIG_WORD:
        return str_find_char(v, ' ') == v.n;
    case CONFIG_NUMBER:
        return is_number(k, v);
    case CONFIG_CHOICE:
        return v.n > 0 && is_member(str_from_c(k->choices), v);
    case CONFIG_SWITCH:
        return v.n > 0 && is_member(STR("yes no"), v);
    case CONFIG_PATH:
        return v.n == 0 || v.p[0] == '/';
    case CONFIG_TEXT:
    case CONFIG_LIST:
        break;
    }
    return true;
}

/* Appends what would be right. */
static void add_rule(const struct config_key *k, struct buf *out)
{
    static const char *const RULES[] = {
        [CONFIG_WORD] = "one word without spaces",
        [CONFIG_TEXT] = "text",
        [CONFIG_PATH] = "a path that begins with /",
        [CONFIG_LIST] = "words between spaces",
        [CONFIG_NUMBER] = "a number from ",
        [CONFIG_CHOICE] = "one of: ",
        [CONFIG_SWITCH] = "yes or no",
    };
    buf_addf(out, "%s must be %s", k->name, RULES[k->type]);
    if (k->type == CONFIG_NUMBER) {
        buf_addf(out, "%llu to %llu", (unsigned long long)k->least, (unsigned long long)k->most);
    } else if (k->type == CONFIG_CHOICE) {
        buf_add_c(out, k->choices);
    }
}

/* Appends what is wrong with the value, and what would be right; nothing when it is fine. */
static void check_value(const struct config_key *k, struct str v, struct buf *why)
{
    if (v.n > VALUE_MOST || has_control(v)) {
        buf_addf(why, "%s must be one line of at most %d octets", k->name, VALUE_MOST);
    } else if (!is_right(k, v)) {
        add_rule(k, why);
    }
}

/* libconfuse has something to say: its words, at its place, on standard error. */
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list args)
{
    struct buf what = BUF_INIT(2 * VALUE_MOST);
    buf_vaddf(&what, format, args);
    (void)fprintf(stderr, "limetta: %s:%d: ", cfg->filename == NULL ? "?" : cfg->filename,
                  cfg->line);
    struct str rest = buf_str(&what);
    if (str_starts(rest, STR("no such option"))) {
        (void)str_split(&rest, '\'');
        struct str name = str_split(&rest, '\'');
        (void)fprintf(stderr, "there is no setting called %.*s; limetta.conf(5) lists them all\n",
                      STR_ARG(name));
    } else {
        (void)fprintf(stderr, "%.*s\n", STR_ARG(rest));
    }
    buf_release(&what);
}

static const struct config_key *find_key(const char *name)
{
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        if (strcmp(KEYS[i].name, name) == 0) {
            return &KEYS[i];
        }
    }
    return NULL;
}

/* libconfuse calls it for each value, at its line; non-zero ends the reading. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct config_key *k = find_key(cfg_opt_name(opt));
    const char *value = cfg_opt_getnstr(opt, 0);
    struct buf why = BUF_INIT(2 * VALUE_MOST);
    if (k != NULL) {
        check_value(k, str_from_c(value), &why);
    }
    bool is_fine = why.len == 0;
    if (!is_fine) {
        cfg_error(cfg, "%s", why.p);
    }
    buf_release(&why);
    return is_fine ? 0 : -1;
}

/* Runs libconfuse over an open file and takes the values over. */
static enum err parse(struct config *c, FILE *file, const char *path)
{
    cfg_opt_t options[CONFIG_COUNT + 1];
    memset(options, 0, sizeof(options)); /* the last one, all zero, is CFG_END */
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        cfg_opt_t o = CFG_STR(KEYS[i].name, NULL, CFGF_NODEFAULT);
        options[i] = o;
    }
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL) {
        return ERR_IO;
    }
    (void)cfg_set_error_function(cfg, on_error);
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        (void)cfg_set_validate_func(cfg, KEYS[i].name, on_value);
    }
    cfg->filename = strdup(path); /* for messages; cfg_free() frees it */
    enum err e = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? ERR_OK : ERR_SYNTAX;
    for (unsigned i = 0; e == ERR_OK && i < CONFIG_COUNT; i++) {
        const char *value = cfg_getstr(cfg, KEYS[i].name);
        if (value != NULL) {
            config_set(c, (enum config_id)i, str_from_c(value));
        }
    }
    (void)cfg_free(cfg);
    return e;
}

/* Blanks "# ..." outside quotes: libconfuse counts a comment as three lines, and then names the wrong one. */
static void blank_comments(char *p, size_t n)
{
    char quote = '\0';
    bool is_comment = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            is_comment = false;
        } else if (is_comment) {
            p[i] = ' ';
        } else if (p[i] == '\\' && quote == '"') {
            i++; /* what is escaped ends nothing */
        } else if (quote != '\0') {
            quote = p[i] == quote ? '\0' : quote;
        } else if (p[i] == '#') {
            is_comment = true;
            p[i] = ' ';
        } else if (p[i] == '"' || p[i] == '\'') {
            quote = p[i];
        }
    }
}

static enum err load(const char *path, struct buf *octets)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_from_errno(errno);
    }
    char part[4096];
    size_t n;
    while (!octets->is_full && (n = fread(part, 1, sizeof(part), file)) > 0) {
        buf_add(octets, str_make(part, n));
    }
    enum err e = ferror(file) ? err_from_errno(errno) : ERR_OK;
    (void)fclose(file);
    return e;
}

static enum err read_file(struct config *c, const char *path)
{
    struct buf octets = BUF_INIT(FILE_MOST);
    enum err e = load(path, &octets);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "limetta: cannot read %s: %s\n", path, err_get_info(e)->meaning);
    } else if (octets.is_full) {
        (void)fprintf(stderr, "limetta: %s: a configuration has at most 1 MiB\n", path);
        e = ERR_SYNTAX;
    } else if (octets.len > 0) {
        blank_comments(octets.p, octets.len);
        FILE *file = fmemopen(octets.p, octets.len, "r");
        e = file == NULL ? ERR_IO : parse(c, file, path);
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    if (octets.p != NULL) {
        explicit_bzero(octets.p, octets.size);
    }
    buf_release(&octets);
    return e;
}

enum err config_read(const char *path, struct config **out)
{
    struct config *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        c->values[i] = BUF_INIT(2 * VALUE_MOST);
        buf_add_c(&c->values[i], KEYS[i].fallback);
    }
    enum err e = path == NULL ? ERR_OK : read_file(c, path);
    if (e != ERR_OK) {
        config_free(&c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void config_free(struct config **c)
{
    if (*c == NULL) {
        return;
    }
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        struct buf *b = &(*c)->values[i];
        if (b->p != NULL) {
            explicit_bzero(b->p, b->size); /* the relay's password is among them */
        }
        buf_release(b);
    }
    free(*c);
    *c = NULL;
}

struct str config_get(const struct config *c, enum config_id id)
{
    return buf_str(&c->values[id]);
}

uint64_t config_get_u64(const struct config *c, enum config_id id)
{
    uint64_t v = 0;
    return str_to_u64(config_get(c, id), UINT64_MAX, &v) ? v : 0;
}

bool config_is_on(const struct config *c, enum config_id id)
{
    return str_eq(config_get(c, id), STR("yes"));
}

void config_set(struct config *c, enum config_id id, struct str value)
{
    buf_clear(&c->values[id]);
    buf_add(&c->values[id], value);
}
