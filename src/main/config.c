/* limetta.conf, read by libconfuse.
 *
 * libconfuse is told that every setting is a string, so `workers = 8` and `workers = "8"` are the same; what the string may
 * be stands in config.def, and is checked while libconfuse still knows the line, so that a problem names it. The first
 * problem ends the reading; of a setting that comes twice the last one counts. Sections (burl "imap.example.org" { ... }) have a
 * table like config.def each. */
#include "main/config.h"

#include "net/fields.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    VALUE_MOST = 4096,
    FILE_MOST = 1 << 20,
    BURL_KEYS = 6,
    LINK_KEYS = 4,
    ANCHORS_MOST = 20 * 1024
};

static const struct config_key KEYS[CONFIG_COUNT] = {
#define CONFIG(id, type, fallback, least, most, choices, help)                                     \
    [CONFIG_##id] = {#id, CONFIG_##type, fallback, least, most, choices, help},
#include "main/config.def"
#undef CONFIG
};

static const struct config_key BURL[BURL_KEYS] = {
#define CONFIG(id, type, fallback, least, most, choices, help)                                     \
    {#id, CONFIG_##type, fallback, least, most, choices, help},
#include "main/config_burl.def"
#undef CONFIG
};

static const struct config_key LINK[LINK_KEYS] = {
#define CONFIG(id, type, fallback, least, most, choices, help)                                     \
    {#id, CONFIG_##type, fallback, least, most, choices, help},
#include "main/config_link.def"
#undef CONFIG
};

struct config {
    struct buf values[CONFIG_COUNT];
    struct buf burl[CONFIG_BURL_MOST];
    size_t burl_count;
    struct buf links[CONFIG_LINK_MOST];
    size_t link_count;
};

const struct config_key *config_get_key(enum config_id id)
{
    return &KEYS[id];
}

const struct config_key *config_find_burl_key(size_t i)
{
    return i < BURL_KEYS ? &BURL[i] : NULL;
}

const struct config_key *config_find_link_key(size_t i)
{
    return i < LINK_KEYS ? &LINK[i] : NULL;
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
        return is_number(k, v) || str_has_word(str_from_c(k->choices), v);
    case CONFIG_CHOICE:
        return str_has_word(str_from_c(k->choices), v);
    case CONFIG_SWITCH:
        return str_has_word(STR("yes no"), v);
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
        buf_addf(out, "%s%s", k->choices[0] != '\0' ? ", or " : "", k->choices);
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
    for (size_t i = 0; i < what.len; i++) {
        what.p[i] =
            what.p[i] >= ' ' && what.p[i] < 0x7f ? what.p[i] : '?'; /* a terminal may read it */
    }
    (void)fprintf(stderr, "limetta: %s:%d: ", cfg->filename == NULL ? "?" : cfg->filename,
                  cfg->line);
    struct str rest = buf_str(&what);
    if (str_starts(rest, STR("no such option"))) {
        (void)str_split(&rest, '\'');
        struct str name = str_split(&rest, '\'');
        (void)fprintf(stderr, "there is no setting called %.*s; limetta.conf(5) lists them all\n",
                      STR_ARG(name));
    } else if (str_starts(rest, STR("unexpected token '{'"))) {
        (void)fprintf(stderr, "several words stand in one pair of quotes, as in \"a b\"\n");
    } else if (str_eq(rest, STR("premature end of file"))) {
        (void)fprintf(stderr, "the file ends within a value: is a quote missing?\n");
    } else {
        (void)fprintf(stderr, "%.*s\n", STR_ARG(rest));
    }
    buf_release(&what);
}

static const struct config_key *find_key(const struct config_key *keys, unsigned count,
                                         const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

/* libconfuse calls it for each value, at its line; non-zero ends the reading. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    const char *section = cfg_name(cfg);
    const char *name = cfg_opt_name(opt);
    const struct config_key *k = strcmp(section, "burl") == 0 ? find_key(BURL, BURL_KEYS, name)
                                 : strcmp(section, "link") == 0
                                     ? find_key(LINK, LINK_KEYS, name)
                                     : find_key(KEYS, CONFIG_COUNT, name);
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

/* ---- sections ---- */

static bool is_host_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && c != '-' && (c != '.' || i == 0 || i + 1 == name.n)) {
            return false;
        }
    }
    return name.n > 0;
}

/* libconfuse calls it for the section that has just ended. */
static int on_burl(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *password = cfg_getstr(section, "password");
    if (!is_host_name(str_from_c(cfg_title(section)))) {
        cfg_error(cfg, "burl must be followed by a host name in quotes");
        return -1;
    }
    const char *user = cfg_getstr(section, "user");
    bool is_ours = user != NULL && strcmp(user, CONFIG_SUBMIT_USER) == 0;
    if (!is_ours && (password == NULL || password[0] == '\0')) {
        cfg_error(cfg, "burl \"%s\" needs a password", cfg_title(section));
        return -1;
    }
    if (cfg_opt_size(opt) > CONFIG_BURL_MOST) {
        cfg_error(cfg, "there may be at most %d sections burl", CONFIG_BURL_MOST);
        return -1;
    }
    return 0;
}

static int on_link(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *roles = cfg_getstr(section, "roles");
    if (!is_host_name(str_from_c(cfg_title(section)))) {
        cfg_error(cfg, "link must be followed by a host's name in quotes");
        return -1;
    }
    if (roles == NULL || roles[0] == '\0') {
        cfg_error(cfg, "link \"%s\" needs roles", cfg_title(section));
        return -1;
    }
    if (cfg_opt_size(opt) > CONFIG_LINK_MOST) {
        cfg_error(cfg, "there may be at most %d sections link", CONFIG_LINK_MOST);
        return -1;
    }
    return 0;
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
    int why = errno;
    enum err e = ferror(file) ? err_from_errno(why) : ERR_OK;
    (void)fclose(file);
    errno = why; /* for who words it */
    return e;
}

/* Appends the certificates. */
static enum err read_anchors(const char *path, struct buf *out)
{
    CLEANUP(buf_release) struct buf pem = BUF_INIT(ANCHORS_MOST);
    enum err e = load(path, &pem);
    e = e == ERR_OK ? buf_err(&pem) : e;
    if (e != ERR_OK) {
        (void)fprintf(stderr, "limetta: cannot read ca_file %s: %s\n", path,
                      err_get_info(e)->meaning);
        return ERR_SYNTAX;
    }
    fields_add(out, STR("ca"), buf_str(&pem));
    return ERR_OK;
}

static enum err take_burl(struct config *c, cfg_t *section)
{
    struct buf *out = &c->burl[c->burl_count++];
    *out = BUF_INIT(FIELDS_OCTETS_MOST);
    fields_add(out, STR("host"), str_from_c(cfg_title(section)));
    for (unsigned i = 0; i < BURL_KEYS; i++) {
        const char *value = cfg_getstr(section, BURL[i].name);
        value = value == NULL ? BURL[i].fallback : value;
        if (strcmp(BURL[i].name, "ca_file") != 0) {
            fields_add(out, str_from_c(BURL[i].name), str_from_c(value));
        } else if (value[0] != '\0') {
            TRY(read_anchors(value, out));
        }
    }
    return buf_err(out);
}

static enum err take_link(struct config *c, cfg_t *section)
{
    struct buf *out = &c->links[c->link_count++];
    *out = BUF_INIT(FIELDS_OCTETS_MOST);
    fields_add(out, STR("host"), str_from_c(cfg_title(section)));
    for (unsigned i = 0; i < LINK_KEYS; i++) {
        const char *value = cfg_getstr(section, LINK[i].name);
        fields_add(out, str_from_c(LINK[i].name),
                   str_from_c(value == NULL ? LINK[i].fallback : value));
    }
    return buf_err(out);
}

struct str config_get_link(const struct config *c, size_t i)
{
    return i < c->link_count ? buf_str(&c->links[i]) : STR_EMPTY;
}

struct str config_get_burl(const struct config *c, size_t i)
{
    return i < c->burl_count ? buf_str(&c->burl[i]) : STR_EMPTY;
}

/* ---- the file ---- */

static void make_options(const struct config_key *keys, unsigned count, cfg_opt_t *options)
{
    for (unsigned i = 0; i < count; i++) {
        cfg_opt_t o = CFG_STR(keys[i].name, NULL, CFGF_NODEFAULT);
        options[i] = o;
    }
}

static void check_values(cfg_t *cfg, const char *section, const struct config_key *keys,
                         unsigned count)
{
    char name[128];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", section, keys[i].name);
        (void)cfg_set_validate_func(cfg, name, on_value);
    }
}

static enum err take_values(struct config *c, cfg_t *cfg)
{
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        const char *value = cfg_getstr(cfg, KEYS[i].name);
        if (value != NULL) {
            config_set(c, (enum config_id)i, str_from_c(value));
        }
    }
    enum err e = ERR_OK;
    for (unsigned i = 0; e == ERR_OK && i < cfg_size(cfg, "burl"); i++) {
        e = take_burl(c, cfg_getnsec(cfg, "burl", i));
    }
    for (unsigned i = 0; e == ERR_OK && i < cfg_size(cfg, "link"); i++) {
        e = take_link(c, cfg_getnsec(cfg, "link", i));
    }
    return e;
}

/* Runs libconfuse over an open file and takes the values over. */
static enum err parse(struct config *c, FILE *file, const char *path)
{
    cfg_opt_t burl[BURL_KEYS + 1];
    cfg_opt_t link[LINK_KEYS + 1];
    cfg_opt_t options[CONFIG_COUNT + 3];
    memset(options, 0, sizeof(options)); /* the last one, all zero, is CFG_END */
    memset(burl, 0, sizeof(burl));
    memset(link, 0, sizeof(link));
    make_options(KEYS, CONFIG_COUNT, options);
    make_options(BURL, BURL_KEYS, burl);
    make_options(LINK, LINK_KEYS, link);
    cfg_opt_t section = CFG_SEC("burl", burl, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    cfg_opt_t host = CFG_SEC("link", link, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    options[CONFIG_COUNT] = section;
    options[CONFIG_COUNT + 1] = host;
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL) {
        return ERR_IO;
    }
    (void)cfg_set_error_function(cfg, on_error);
    check_values(cfg, "", KEYS, CONFIG_COUNT);
    check_values(cfg, "burl|", BURL, BURL_KEYS);
    check_values(cfg, "link|", LINK, LINK_KEYS);
    (void)cfg_set_validate_func(cfg, "burl", on_burl);
    (void)cfg_set_validate_func(cfg, "link", on_link);
    cfg->filename = strdup(path); /* for messages; cfg_free() frees it */
    enum err e = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? ERR_OK : ERR_SYNTAX;
    e = e == ERR_OK ? take_values(c, cfg) : e;
    (void)cfg_free(cfg);
    return e;
}

/* Blanks "# ..." outside quotes: libconfuse counts a comment as three lines, and then names the wrong one. Returns the line of a
 * section that nothing closes, which libconfuse takes for whole; 0: there is none. */
static unsigned prepare(char *p, size_t n)
{
    char quote = '\0';
    bool is_comment = false;
    unsigned line = 1;
    unsigned open = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            line++;
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
        } else if (p[i] == '{') {
            open = line;
        } else if (p[i] == '}') {
            open = 0;
        }
    }
    return quote == '\0' ? open : 0;
}

static enum err read_file(struct config *c, const char *path)
{
    struct buf octets = BUF_INIT(FILE_MOST);
    enum err e = load(path, &octets);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "limetta: cannot read %s: %s\n", path, strerrordesc_np(errno));
    } else if (octets.is_full) {
        (void)fprintf(stderr, "limetta: %s: a configuration has at most 1 MiB\n", path);
        e = ERR_SYNTAX;
    } else if (octets.len > 0) {
        unsigned open = prepare(octets.p, octets.len);
        FILE *file = fmemopen(octets.p, octets.len, "r");
        e = file == NULL ? ERR_IO : parse(c, file, path);
        if (file != NULL) {
            (void)fclose(file);
        }
        if (e == ERR_OK && open > 0) {
            (void)fprintf(stderr, "limetta: %s:%u: this section has no } at its end\n", path, open);
            e = ERR_SYNTAX;
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
    for (size_t i = 0; i < (*c)->burl_count; i++) {
        buf_wipe(&(*c)->burl[i]);
    }
    for (size_t i = 0; i < (*c)->link_count; i++) {
        buf_release(&(*c)->links[i]);
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
