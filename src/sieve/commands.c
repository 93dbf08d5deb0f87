/* The table: every command and test, with what it takes. The heart of the language: the parser, the check and the interpreter go by it,
 * and a new command is a row here and a function or two in the file of its family.
 *
 * A row says the extension that it belongs to, its tags, its positional arguments (those that may be left out come first), and
 * whether tests or a block follow. */
#include "sieve/control.h"
#include "sieve/script_priv.h"

#define NAME(word)                                                                                 \
    {                                                                                              \
        word, sizeof(word) - 1                                                                     \
    }
#define T(id) SIEVE_TAG_BIT(id)
#define STRING SIEVE_VALUE_STRING
#define LIST SIEVE_VALUE_LIST
#define NUMBER SIEVE_VALUE_NUMBER
#define BASE SIEVE_EXT_NONE
#define EXT(id) SIEVE_EXT_##id

#define MATCH (T(COMPARATOR) | T(IS) | T(CONTAINS) | T(MATCHES) | T(COUNTING) | T(VALUE))
#define ADDRESS (T(ALL) | T(LOCALPART) | T(DOMAIN) | T(USER) | T(DETAIL))
#define INDEX (T(INDEX) | T(LAST))
#define TARGET (T(FLAGS) | T(CREATE) | T(SPECIALUSE) | T(MAILBOXID))

static const struct sieve_spec commands[] = {
    {NAME("require"), BASE, .params = {LIST}, .check = sieve_require_check,
     .run = sieve_require_run},
    {NAME("if"), BASE, .tests = SIEVE_TESTS_ONE, .has_block = true, .check = sieve_if_check},
    {NAME("elsif"), BASE, .tests = SIEVE_TESTS_ONE, .has_block = true, .check = sieve_if_check},
    {NAME("else"), BASE, .has_block = true, .check = sieve_if_check},
    {NAME("stop"), BASE, .run = sieve_stop_run},
    {NAME("keep"), BASE, .tags = T(FLAGS), .run = sieve_keep_run},
    {NAME("discard"), BASE, .run = sieve_discard_run},
    {NAME("redirect"), BASE, .tags = T(COPY), .params = {STRING}, .check = sieve_redirect_check,
     .run = sieve_redirect_run},
    {NAME("fileinto"), EXT(FILEINTO), .tags = T(COPY) | TARGET, .params = {STRING},
     .check = sieve_fileinto_check, .run = sieve_fileinto_run},
};

static const struct sieve_spec tests[] = {
    {NAME("true"), BASE, .test = sieve_true_test},
    {NAME("false"), BASE, .test = sieve_false_test},
    {NAME("not"), BASE, .tests = SIEVE_TESTS_ONE, .test = sieve_not_test},
    {NAME("allof"), BASE, .tests = SIEVE_TESTS_LIST, .test = sieve_allof_test},
    {NAME("anyof"), BASE, .tests = SIEVE_TESTS_LIST, .test = sieve_anyof_test},
    {NAME("header"), BASE, .tags = MATCH | INDEX, .params = {LIST, LIST},
     .check = sieve_index_check, .test = sieve_header_test},
    {NAME("exists"), BASE, .params = {LIST}, .test = sieve_exists_test},
    {NAME("size"), BASE, .tags = T(OVER) | T(UNDER), .check = sieve_size_check,
     .test = sieve_size_test},
};

const struct sieve_spec *sieve_spec_get(bool is_test, size_t i)
{
    size_t count =
        is_test ? sizeof(tests) / sizeof(tests[0]) : sizeof(commands) / sizeof(commands[0]);
    if (i >= count) {
        return NULL;
    }
    return is_test ? &tests[i] : &commands[i];
}

const struct sieve_spec *sieve_spec_find(struct str name, bool is_test)
{
    size_t i = 0;
    const struct sieve_spec *s = sieve_spec_get(is_test, 0);
    while (s != NULL && !str_eq_nocase(s->name, name)) {
        s = sieve_spec_get(is_test, ++i);
    }
    return s;
}
