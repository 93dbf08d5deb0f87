#ifndef LIMETTA_SIEVE_SCRIPT_PRIV_H
#define LIMETTA_SIEVE_SCRIPT_PRIV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "sieve/lex.h"
#include "sieve/script.h"

#include <stdbool.h>
#include <stdint.h>

/* For insiders of the room: what a checked script is made of, the table of commands and tests, and the compiler that fills one
 * with the other. */

enum sieve_ext {
#define EXTENSION(id, word, implied, is_late) SIEVE_EXT_##id,
#include "sieve/extensions.def"
#undef EXTENSION
    SIEVE_EXT_COUNT,
    SIEVE_EXT_NONE = SIEVE_EXT_COUNT
};
_Static_assert(SIEVE_EXT_COUNT <= 63, "a set of extensions is 64 bits");

/* A set of extensions. */
static inline uint64_t sieve_ext_bit(enum sieve_ext e)
{
    return e == SIEVE_EXT_NONE ? 0 : UINT64_C(1) << e;
}
/* SIEVE_EXT_NONE: no such word. */
enum sieve_ext sieve_ext_find(struct str word);
struct str sieve_ext_get_word(enum sieve_ext e);
/* The extension with those that are had with it. */
uint64_t sieve_ext_get_all(enum sieve_ext e);
/* May ihave enable it? */
bool sieve_ext_is_late(enum sieve_ext e);
/* The set of words between spaces; what is unknown is passed over. */
uint64_t sieve_ext_parse(struct str words);

enum sieve_tag {
#define TAG(id, word, value, group, extension) SIEVE_TAG_##id,
#include "sieve/tags.def"
#undef TAG
    SIEVE_TAG_COUNT
};
_Static_assert(SIEVE_TAG_COUNT <= 63, "a set of tags is 64 bits");
#define SIEVE_TAG_BIT(id) (UINT64_C(1) << SIEVE_TAG_##id)

enum sieve_value_kind {
    SIEVE_VALUE_NONE,
    SIEVE_VALUE_NUMBER,
    SIEVE_VALUE_STRING,
    SIEVE_VALUE_LIST
};

enum sieve_tag_group {
    SIEVE_GROUP_NONE,
    SIEVE_GROUP_COMPARATOR,
    SIEVE_GROUP_MATCH,
    SIEVE_GROUP_ADDRESS,
    SIEVE_GROUP_SIZE,
    SIEVE_GROUP_LOCATION,
    SIEVE_GROUP_BODY,
    SIEVE_GROUP_ZONE,
    SIEVE_GROUP_CASE,
    SIEVE_GROUP_FIRST,
    SIEVE_GROUP_INTERVAL,
    SIEVE_GROUP_UNIQUE,
    SIEVE_GROUP_COUNT
};

struct sieve_tag_info {
    struct str word;
    enum sieve_value_kind value;
    enum sieve_tag_group group;
    enum sieve_ext extension;
};
const struct sieve_tag_info *sieve_tag_get_info(enum sieve_tag tag);

/* A piece of a string: octets as they are, or a variable (RFC 5229, 3). */
enum sieve_piece_kind {
    SIEVE_PIECE_TEXT,
    SIEVE_PIECE_VARIABLE, /* text: its name in lower case */
    SIEVE_PIECE_GLOBAL,   /* the same, in the namespace "global" (RFC 6609, 3.4.2) */
    SIEVE_PIECE_MATCH     /* number: of the match variable */
};

struct sieve_piece {
    enum sieve_piece_kind kind;
    struct str text;
    uint32_t number;
};

/* A string of the script. Without pieces it is constant. */
struct sieve_string {
    struct str text; /* as it was read, encoded characters decoded */
    const struct sieve_piece *pieces;
    uint32_t piece_count;
};

/* An argument. */
struct sieve_arg {
    enum sieve_value_kind kind; /* NONE: not there. A single string is a list of one. */
    bool is_list;               /* it was written in brackets */
    uint64_t number;
    const struct sieve_string *strings;
    uint32_t count;
};

struct sieve_tag_arg {
    enum sieve_tag tag;
    struct sieve_arg arg;
};

struct sieve_run;
struct sieve_node;
struct sieve_compiler;

enum { SIEVE_PARAMS_MOST = 3 };

/* Tests as arguments. */
enum sieve_tests { SIEVE_TESTS_NONE, SIEVE_TESTS_ONE, SIEVE_TESTS_LIST };

/* A row of the table: a command or a test. */
struct sieve_spec {
    struct str name;
    enum sieve_ext extension;
    uint64_t tags;     /* that it may have */
    uint64_t own_tags; /* of those, the ones that need no extension but its own */
    /* Positional arguments; the first `optional` of them may be left out. */
    enum sieve_value_kind params[SIEVE_PARAMS_MOST];
    uint8_t optional;
    bool is_last_optional; /* the last of them may be left out */
    enum sieve_tests tests;
    bool has_block;
    /* Looks at one that has its arguments: what the table cannot say. NULL: nothing more. */
    enum err (*check)(struct sieve_compiler *c, struct sieve_node *n);
    /* One of them: carries out a command; decides a test. Errors: the script's (sieve_run_fail()) or the host's. */
    enum err (*run)(struct sieve_run *r, const struct sieve_node *n);
    enum err (*test)(struct sieve_run *r, const struct sieve_node *n, bool *out);
};

/* A command or test of a script. */
struct sieve_node {
    const struct sieve_spec *spec;
    uint32_t line;
    uint64_t needs;                       /* extensions */
    uint64_t tags;                        /* that it has */
    const struct sieve_tag_arg *tag_args; /* those with values */
    uint32_t tag_arg_count;
    struct sieve_arg
        params[SIEVE_PARAMS_MOST];  /* where the spec has them; optional ones may be absent */
    const struct sieve_node *tests; /* first of them */
    const struct sieve_node *block; /* first command of it; NULL: empty */
    const struct sieve_node *next;  /* test of the list, command of the block */
    const char *problem;            /* ihave: why it cannot be run (RFC 5463, 4); NULL: it can */
    /* What the check found out, for run and test: each spec's own. */
    uint32_t detail;
};

static inline bool sieve_node_has(const struct sieve_node *n, enum sieve_tag tag)
{
    return (n->tags >> tag & 1) != 0;
}
/* The value of a tag; NULL when the node does not have it. */
const struct sieve_arg *sieve_node_find(const struct sieve_node *n, enum sieve_tag tag);

/* NULL: no command (is_test: test) is called so. */
const struct sieve_spec *sieve_spec_find(struct str name, bool is_test);
/* The i-th row; NULL behind the last. */
const struct sieve_spec *sieve_spec_get(bool is_test, size_t i);

struct sieve_script {
    struct arena *arena;
    const struct sieve_node *commands; /* first; NULL: none */
    uint64_t required;                 /* extensions */
    uint64_t offered;                  /* what it may ask for by ihave */
};

/* A script in the making. */
struct sieve_compiler {
    struct arena *arena;
    struct sieve_limits limits;
    struct sieve_lex lex;
    struct sieve_token token; /* the one that is looked at */
    uint64_t offered;
    uint64_t required;
    bool is_body; /* a command that is no require was seen */
    uint32_t depth;
    uint32_t test_depth;
    struct sieve_error *error;
    unsigned guesses; /* at what a wrong word was to be */
};

/* Notes what is wrong, for the script's author. The first mistake counts. */
void sieve_compile_note_mistake(struct sieve_compiler *c, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, as what the caller returns. */
#define sieve_compile_fail(c, line, ...)                                                           \
    (sieve_compile_note_mistake((c), (line), __VA_ARGS__), ERR_SYNTAX)
/* The same for what a script with ihave may hold where it is not run (RFC 5463, 4): then the node cannot be run, and the answer is
 * ERR_OK. */
enum err sieve_compile_doubt(struct sieve_compiler *c, struct sieve_node *n, const char *format,
                             ...) __attribute__((format(printf, 3, 4)));
static inline bool sieve_is_required(const struct sieve_compiler *c, enum sieve_ext e)
{
    return (c->required & sieve_ext_bit(e)) != 0;
}

/* sieve/parse.c: the commands of the whole script. */
MUST_USE enum err sieve_parse(struct sieve_compiler *c, const struct sieve_node **out);

/* An argument as it was read. */
struct sieve_raw {
    struct sieve_token token; /* TAG, NUMBER; a list: its first token */
    struct sieve_arg arg;     /* NUMBER, or strings */
    struct sieve_raw *next;
};
/* sieve/check.c: gives a node that has its spec the arguments that were read. ERR_SYNTAX. */
MUST_USE enum err sieve_check_arguments(struct sieve_compiler *c, struct sieve_node *n,
                                        const struct sieve_raw *args);
/* Finds what a name means, and whether it may be used. NULL out: it is unknown, and ihave allows that. */
MUST_USE enum err sieve_check_name(struct sieve_compiler *c, struct sieve_node *n, struct str name,
                                   bool is_test);
/* sieve/strings.c: decodes encoded characters, finds variables. */
MUST_USE enum err sieve_string_compile(struct sieve_compiler *c, uint32_t line, struct str text,
                                       struct sieve_string *out);

#endif
