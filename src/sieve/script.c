/* Scripts: compiled into an arena of their own, and what the tables of words say.
 *
 * A compiled script is a tree of nodes (sieve/script_priv.h) in which every name, tag and argument was found to be right: a run
 * needs to check nothing that stands in the text. It borrows nothing. */
#include "sieve/script.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "sieve/script_priv.h"

struct ext_info {
    struct str word;
    enum sieve_ext implied;
    bool is_late;
};

static const struct ext_info extensions[] = {
#define EXTENSION(id, word, implied, is_late)                                                      \
    {{word, sizeof(word) - 1}, SIEVE_EXT_##implied, is_late},
#include "sieve/extensions.def"
#undef EXTENSION
};

static const struct sieve_tag_info tags[] = {
#define TAG(id, word, value, group, extension)                                                     \
    {{word, sizeof(word) - 1}, SIEVE_VALUE_##value, SIEVE_GROUP_##group, SIEVE_EXT_##extension},
#include "sieve/tags.def"
#undef TAG
};

const struct sieve_tag_info *sieve_tag_get_info(enum sieve_tag tag)
{
    return &tags[tag];
}

enum sieve_ext sieve_ext_find(struct str word)
{
    unsigned e = 0;
    while (e < SIEVE_EXT_COUNT && !str_eq(extensions[e].word, word)) {
        e++;
    }
    return e;
}

struct str sieve_ext_get_word(enum sieve_ext e)
{
    return extensions[e].word;
}

uint64_t sieve_ext_get_all(enum sieve_ext e)
{
    return sieve_ext_bit(e) | sieve_ext_bit(extensions[e].implied);
}

bool sieve_ext_is_late(enum sieve_ext e)
{
    return extensions[e].is_late;
}

uint64_t sieve_ext_parse(struct str words)
{
    uint64_t set = 0;
    while (words.n > 0) {
        set |= sieve_ext_bit(sieve_ext_find(str_split(&words, ' ')));
    }
    return set;
}

const struct sieve_arg *sieve_node_find(const struct sieve_node *n, enum sieve_tag tag)
{
    for (uint32_t i = 0; i < n->tag_arg_count; i++) {
        if (n->tag_args[i].tag == tag) {
            return &n->tag_args[i].arg;
        }
    }
    return NULL;
}

void sieve_limits_init(struct sieve_limits *out)
{
    *out = (struct sieve_limits){
        .script_octets = 512 * 1024,
        .nesting = 32,
        .list_strings = 4096,
        .variables = 256,
        .variable_octets = 64 * 1024,
        .steps = 500000,
        .memory_octets = 32 * 1024 * 1024,
        .actions = 64,
        .redirects = 4,
        .includes = 64,
        .include_depth = 10,
        .body_octets = 512 * 1024,
        .header_octets = 1024 * 1024,
    };
}

static uint64_t offered_by(const struct sieve_config *config)
{
    uint64_t all = (UINT64_C(1) << SIEVE_EXT_COUNT) - 1;
    uint64_t off = config != NULL ? sieve_ext_parse(config->disabled) : 0;
    if (config == NULL || !config->has_imap_events) {
        off |= sieve_ext_bit(SIEVE_EXT_IMAPSIEVE);
    }
    return all & ~off;
}

static enum err compile_into(struct sieve_compiler *c, struct str text,
                             const struct sieve_node **commands)
{
    if (text.n > c->limits.script_octets) {
        sieve_compile_note_mistake(c, 0, "A script has at most %u octets", c->limits.script_octets);
        return ERR_TOO_BIG;
    }
    struct str own = arena_str(c->arena, text);
    if (own.p == NULL) {
        sieve_compile_note_mistake(c, 0, "The script is too large");
        return ERR_TOO_BIG;
    }
    if (str_starts(own, STR("\xef\xbb\xbf"))) {
        own = str_skip(own, 3); /* an editor's byte order mark */
    }
    c->lex = sieve_lex_make(c->arena, own);
    return sieve_parse(c, commands);
}

/* A node and its strings take some 300 octets for the least that makes one; so the arena has a bound, too. */
enum { ARENA_OCTETS = 4 * 1024 * 1024, ARENA_FACTOR = 128 };

enum err sieve_compile(struct str text, const struct sieve_config *config,
                       struct sieve_script **out, struct sieve_error *error)
{
    struct sieve_error first = {.line = 0};
    struct sieve_compiler c = {.offered = offered_by(config), .error = &first};
    sieve_limits_init(&c.limits);
    if (config != NULL && config->limits != NULL) {
        c.limits = *config->limits;
    }
    size_t size = text.n < c.limits.script_octets ? text.n : c.limits.script_octets;
    c.arena = arena_new(ARENA_OCTETS + size * ARENA_FACTOR);
    const struct sieve_node *commands = NULL;
    enum err e = compile_into(&c, text, &commands);
    if (e != ERR_OK) {
        arena_free(&c.arena);
        *error = first;
        return e;
    }
    struct sieve_script *s = mem_new(sizeof(*s));
    *s = (struct sieve_script){
        .arena = c.arena, .commands = commands, .required = c.required, .offered = c.offered};
    *out = s;
    return ERR_OK;
}

void sieve_script_free(struct sieve_script **s)
{
    if (*s != NULL) {
        arena_free(&(*s)->arena);
        free(*s);
        *s = NULL;
    }
}

bool sieve_script_is_requiring(const struct sieve_script *s, struct str word)
{
    return (s->required & sieve_ext_bit(sieve_ext_find(word))) != 0;
}

static void write_words(uint64_t set, struct buf *out)
{
    bool is_first = true;
    for (unsigned e = 0; e < SIEVE_EXT_COUNT; e++) {
        if ((set & sieve_ext_bit(e)) != 0) {
            buf_add_c(out, is_first ? "" : " ");
            buf_add(out, extensions[e].word);
            is_first = false;
        }
    }
}

void sieve_script_write_extensions(const struct sieve_script *s, struct buf *out)
{
    write_words(s->required, out);
}

void sieve_write_extensions(const struct sieve_config *config, struct buf *out)
{
    write_words(offered_by(config), out);
}
