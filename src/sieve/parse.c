/* The grammar (RFC 5228, 8.2): one function a rule, over the tokens of sieve/lex.c.
 *
 *     start    = commands
 *     command  = identifier arguments (";" / block)
 *     arguments = *argument [ test / test-list ]
 *
 * Everything is checked as it is read: a command's name before its arguments, its arguments and tests before its block. So a
 * `require` counts for what stands behind it, the first mistake is the first in the text, and what has been built is right.
 * Blocks and tests may be nested as deep as the limits say; the functions here call themselves no deeper. */
#include "sieve/script_priv.h"

#include <assert.h>

static enum err parse_command(struct sieve_compiler *c, struct sieve_node **out);
static enum err parse_test(struct sieve_compiler *c, struct sieve_node **out);

static void advance(struct sieve_compiler *c)
{
    c->token = sieve_lex_next(&c->lex);
}

static bool is_mark(const struct sieve_compiler *c, char mark)
{
    return c->token.kind == SIEVE_TOKEN_MARK && c->token.text.p[0] == mark;
}

static bool accept_mark(struct sieve_compiler *c, char mark)
{
    if (!is_mark(c, mark)) {
        return false;
    }
    advance(c);
    return true;
}

/* What was expected, and what stands there instead. */
static enum err fail_expected(struct sieve_compiler *c, const char *expected)
{
    const struct sieve_token *t = &c->token;
    switch (t->kind) {
    case SIEVE_TOKEN_BAD:
        return sieve_compile_fail(c, t->line, "%s", c->lex.problem);
    case SIEVE_TOKEN_END:
        return sieve_compile_fail(c, t->line, "The script ends where %s was expected", expected);
    case SIEVE_TOKEN_STRING:
        return sieve_compile_fail(c, t->line, "Expected %s, not a string", expected);
    case SIEVE_TOKEN_NUMBER:
        return sieve_compile_fail(c, t->line, "Expected %s, not a number", expected);
    case SIEVE_TOKEN_TAG:
        return sieve_compile_fail(c, t->line, "Expected %s, not \":%.*s\"", expected,
                                  STR_ARG(str_sub(t->text, 0, 40)));
    case SIEVE_TOKEN_IDENTIFIER:
    case SIEVE_TOKEN_MARK:
    default:
        return sieve_compile_fail(c, t->line, "Expected %s, not \"%.*s\"", expected,
                                  STR_ARG(str_sub(t->text, 0, 40)));
    }
}

static enum err fail_memory(struct sieve_compiler *c)
{
    sieve_compile_note_mistake(c, c->token.line, "The script is too large");
    return ERR_TOO_BIG;
}

/* string-list = "[" string *("," string) "]" / string */
static enum err parse_strings(struct sieve_compiler *c, struct sieve_arg *out)
{
    out->is_list = accept_mark(c, '[');
    out->kind = SIEVE_VALUE_LIST;
    struct sieve_string *list = NULL;
    uint32_t size = 0;
    do {
        if (c->token.kind != SIEVE_TOKEN_STRING) {
            return fail_expected(c, "a string");
        }
        if (out->count == c->limits.list_strings) {
            return sieve_compile_fail(c, c->token.line, "A list has at most %u strings",
                                      c->limits.list_strings);
        }
        if (out->count == size) {
            size = out->is_list ? size * 2 + 4 : 1;
            struct sieve_string *grown = arena_array(c->arena, struct sieve_string, size);
            if (grown == NULL) {
                return fail_memory(c);
            }
            if (list != NULL) {
                memcpy(grown, list, out->count * sizeof(*list));
            }
            list = grown;
        }
        TRY(sieve_string_compile(c, c->token.line, c->token.text, &list[out->count++]));
        advance(c);
    } while (out->is_list && accept_mark(c, ','));
    out->strings = list;
    if (out->is_list && !accept_mark(c, ']')) {
        return fail_expected(c, "\",\" or \"]\"");
    }
    return ERR_OK;
}

/* *argument */
static enum err parse_raw_arguments(struct sieve_compiler *c, struct sieve_raw **out)
{
    for (;;) {
        bool is_string = c->token.kind == SIEVE_TOKEN_STRING || is_mark(c, '[');
        if (!is_string && c->token.kind != SIEVE_TOKEN_NUMBER && c->token.kind != SIEVE_TOKEN_TAG) {
            return ERR_OK;
        }
        struct sieve_raw *raw = arena_one(c->arena, struct sieve_raw);
        if (raw == NULL) {
            return fail_memory(c);
        }
        raw->token = c->token;
        *out = raw;
        out = &raw->next;
        if (is_string) {
            TRY(parse_strings(c, &raw->arg));
            continue;
        }
        if (c->token.kind == SIEVE_TOKEN_NUMBER) {
            raw->arg = (struct sieve_arg){.kind = SIEVE_VALUE_NUMBER, .number = c->token.number};
        }
        advance(c);
    }
}

/* test-list = "(" test *("," test) ")" */
static enum err parse_test_list(struct sieve_compiler *c, const struct sieve_node **out)
{
    do {
        struct sieve_node *test = NULL;
        TRY(parse_test(c, &test));
        *out = test;
        out = &test->next;
    } while (accept_mark(c, ','));
    return accept_mark(c, ')') ? ERR_OK : fail_expected(c, "\",\" or \")\"");
}

/* [ test / test-list ]. Of what has no known name anything is taken. */
static enum err parse_tests(struct sieve_compiler *c, struct sieve_node *n)
{
    bool is_one = c->token.kind == SIEVE_TOKEN_IDENTIFIER;
    bool is_list = is_mark(c, '(');
    enum sieve_tests wanted = n->spec != NULL ? n->spec->tests
                              : is_list       ? SIEVE_TESTS_LIST
                              : is_one        ? SIEVE_TESTS_ONE
                                              : SIEVE_TESTS_NONE;
    if (wanted == SIEVE_TESTS_NONE) {
        return ERR_OK;
    }
    if (c->test_depth == c->limits.nesting) {
        sieve_compile_note_mistake(c, c->token.line, "Tests are nested more than %u deep",
                                   c->limits.nesting);
        return ERR_TOO_DEEP;
    }
    if (wanted == SIEVE_TESTS_LIST && !is_list) {
        return fail_expected(c, "\"(\" and a list of tests");
    }
    if (wanted == SIEVE_TESTS_ONE && !is_one) {
        return fail_expected(c, "a test");
    }
    c->test_depth++;
    enum err e;
    if (accept_mark(c, '(')) {
        e = parse_test_list(c, &n->tests);
    } else {
        struct sieve_node *test = NULL;
        e = parse_test(c, &test);
        n->tests = test;
    }
    c->test_depth--;
    return e;
}

/* block = "{" commands "}" */
static enum err parse_block(struct sieve_compiler *c, const struct sieve_node **out)
{
    uint32_t line = c->token.line;
    if (!accept_mark(c, '{')) {
        return fail_expected(c, "\"{\"");
    }
    if (c->depth == c->limits.nesting) {
        sieve_compile_note_mistake(c, line, "Blocks are nested more than %u deep",
                                   c->limits.nesting);
        return ERR_TOO_DEEP;
    }
    c->depth++;
    while (!accept_mark(c, '}')) {
        if (c->token.kind == SIEVE_TOKEN_END) {
            return sieve_compile_fail(c, line, "The block that begins here has no \"}\"");
        }
        struct sieve_node *command = NULL;
        TRY(parse_command(c, &command));
        *out = command;
        out = &command->next;
    }
    c->depth--;
    return ERR_OK;
}

static enum err new_node(struct sieve_compiler *c, bool is_test, struct sieve_node **out)
{
    if (c->token.kind != SIEVE_TOKEN_IDENTIFIER) {
        return fail_expected(c, is_test ? "a test" : "a command");
    }
    struct sieve_node *n = arena_one(c->arena, struct sieve_node);
    if (n == NULL) {
        return fail_memory(c);
    }
    n->line = c->token.line;
    *out = n;
    return sieve_check_name(c, n, c->token.text, is_test);
}

/* Arguments and tests of a node whose name is the token that is looked at. */
static enum err parse_arguments(struct sieve_compiler *c, struct sieve_node *n)
{
    assert(n != NULL);
    advance(c);
    struct sieve_raw *args = NULL;
    TRY(parse_raw_arguments(c, &args));
    if (c->token.kind == SIEVE_TOKEN_BAD) {
        return fail_expected(c, "an argument");
    }
    TRY(parse_tests(c, n));
    return n->spec != NULL ? sieve_check_arguments(c, n, args) : ERR_OK;
}

static enum err parse_test(struct sieve_compiler *c, struct sieve_node **out)
{
    TRY(new_node(c, true, out));
    return parse_arguments(c, *out);
}

static enum err parse_command(struct sieve_compiler *c, struct sieve_node **out)
{
    TRY(new_node(c, false, out));
    struct sieve_node *n = *out;
    assert(n != NULL);
    TRY(parse_arguments(c, n));
    bool has_block = n->spec != NULL ? n->spec->has_block : is_mark(c, '{');
    if (has_block) {
        return parse_block(c, &n->block);
    }
    return accept_mark(c, ';') ? ERR_OK : fail_expected(c, "\";\"");
}

/* An elsif or else "MUST only follow an if or elsif" (RFC 5228, 3.1): detail of `if` is 1, of `elsif` 2, of `else` 3. */
static bool is_in_chain(const struct sieve_node *before, const struct sieve_node *n)
{
    if (n->spec == NULL || n->spec->run != NULL || n->detail < 2) {
        return true;
    }
    return before != NULL && before->spec != NULL && before->spec->has_block && before->detail < 3;
}

static enum err check_chains(struct sieve_compiler *c, const struct sieve_node *first)
{
    const struct sieve_node *before = NULL;
    for (const struct sieve_node *n = first; n != NULL; before = n, n = n->next) {
        if (!is_in_chain(before, n)) {
            return sieve_compile_fail(c, n->line, "\"%.*s\" stands without an \"if\" before it",
                                      STR_ARG(n->spec->name));
        }
        TRY(check_chains(c, n->block));
    }
    return ERR_OK;
}

enum err sieve_parse(struct sieve_compiler *c, const struct sieve_node **out)
{
    const struct sieve_node **end = out;
    advance(c);
    while (c->token.kind != SIEVE_TOKEN_END) {
        struct sieve_node *command = NULL;
        TRY(parse_command(c, &command));
        *end = command;
        end = &command->next;
    }
    return check_chains(c, *out);
}
