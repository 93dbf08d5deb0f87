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
    {NAME("set"), EXT(VARIABLES),
     .tags = T(LOWER) | T(UPPER) | T(LOWERFIRST) | T(UPPERFIRST) | T(QUOTEWILDCARD) | T(ENCODEURL)
             | T(LENGTH),
     .params = {STRING, STRING}, .check = sieve_set_check, .run = sieve_set_run},
    {NAME("setflag"), EXT(IMAP4FLAGS), .params = {STRING, LIST}, .optional = 1,
     .check = sieve_flags_check, .run = sieve_setflag_run},
    {NAME("addflag"), EXT(IMAP4FLAGS), .params = {STRING, LIST}, .optional = 1,
     .check = sieve_flags_check, .run = sieve_addflag_run},
    {NAME("removeflag"), EXT(IMAP4FLAGS), .params = {STRING, LIST}, .optional = 1,
     .check = sieve_flags_check, .run = sieve_removeflag_run},
    {NAME("addheader"), EXT(EDITHEADER), .tags = T(LAST), .own_tags = T(LAST),
     .params = {STRING, STRING}, .check = sieve_addheader_check, .run = sieve_addheader_run},
    {NAME("deleteheader"), EXT(EDITHEADER), .tags = MATCH | INDEX, .own_tags = INDEX,
     .params = {STRING, LIST}, .is_last_optional = true, .check = sieve_deleteheader_check,
     .run = sieve_deleteheader_run},
    {NAME("reject"), EXT(REJECT), .params = {STRING}, .run = sieve_reject_run},
    {NAME("ereject"), EXT(EREJECT), .params = {STRING}, .run = sieve_ereject_run},
    {NAME("vacation"), EXT(VACATION),
     .tags = T(DAYS) | T(SECONDS) | T(SUBJECT) | T(FROM) | T(ADDRESSES) | T(MIME) | T(HANDLE)
             | T(FCC) | TARGET,
     .params = {STRING}, .check = sieve_vacation_check, .run = sieve_vacation_run},
    {NAME("notify"), EXT(ENOTIFY),
     .tags = T(FROM) | T(IMPORTANCE) | T(OPTIONS) | T(MESSAGE) | T(FCC) | TARGET,
     .params = {STRING}, .check = sieve_notify_check, .run = sieve_notify_run},
    {NAME("include"), EXT(INCLUDE), .tags = T(PERSONAL) | T(GLOBAL) | T(ONCE) | T(OPTIONAL),
     .params = {STRING}, .check = sieve_include_check, .run = sieve_include_run},
    {NAME("return"), EXT(INCLUDE), .run = sieve_return_run},
    {NAME("global"), EXT(INCLUDE), .params = {LIST}, .check = sieve_global_check,
     .run = sieve_global_run},
    {NAME("error"), EXT(IHAVE), .params = {STRING}, .run = sieve_error_run},
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
    {NAME("address"), BASE, .tags = MATCH | ADDRESS | INDEX, .params = {LIST, LIST},
     .check = sieve_address_check, .test = sieve_address_test},
    {NAME("envelope"), EXT(ENVELOPE), .tags = MATCH | ADDRESS, .params = {LIST, LIST},
     .check = sieve_envelope_check, .test = sieve_envelope_test},
    {NAME("body"), EXT(BODY), .tags = MATCH | T(RAW) | T(CONTENT) | T(TEXT), .params = {LIST},
     .test = sieve_body_test},
    {NAME("string"), EXT(VARIABLES), .tags = MATCH, .params = {LIST, LIST},
     .test = sieve_string_test},
    {NAME("hasflag"), EXT(IMAP4FLAGS), .tags = MATCH, .params = {LIST, LIST}, .optional = 1,
     .check = sieve_flags_check, .test = sieve_hasflag_test},
    {NAME("date"), EXT(DATE), .tags = MATCH | INDEX | T(ZONE) | T(ORIGINALZONE),
     .params = {STRING, STRING, LIST}, .check = sieve_date_check, .test = sieve_date_test},
    {NAME("currentdate"), EXT(DATE), .tags = MATCH | T(ZONE), .params = {STRING, LIST},
     .check = sieve_currentdate_check, .test = sieve_currentdate_test},
    {NAME("duplicate"), EXT(DUPLICATE),
     .tags = T(HANDLE) | T(HEADER) | T(UNIQUEID) | T(SECONDS) | T(LAST),
     .own_tags = T(SECONDS) | T(LAST), .test = sieve_duplicate_test},
    {NAME("environment"), EXT(ENVIRONMENT), .tags = MATCH, .params = {STRING, LIST},
     .test = sieve_environment_test},
    {NAME("ihave"), EXT(IHAVE), .params = {LIST}, .check = sieve_ihave_check,
     .test = sieve_ihave_test},
    {NAME("mailboxexists"), EXT(MAILBOX), .params = {LIST}, .test = sieve_mailboxexists_test},
    {NAME("mailboxidexists"), EXT(MAILBOXID), .params = {LIST}, .test = sieve_mailboxidexists_test},
    {NAME("specialuse_exists"), EXT(SPECIAL_USE), .params = {STRING, LIST}, .optional = 1,
     .test = sieve_specialuse_exists_test},
    {NAME("metadata"), EXT(MBOXMETADATA), .tags = MATCH, .params = {STRING, STRING, LIST},
     .test = sieve_metadata_test},
    {NAME("metadataexists"), EXT(MBOXMETADATA), .params = {STRING, LIST},
     .test = sieve_metadataexists_test},
    {NAME("servermetadata"), EXT(SERVERMETADATA), .tags = MATCH, .params = {STRING, LIST},
     .test = sieve_servermetadata_test},
    {NAME("servermetadataexists"), EXT(SERVERMETADATA), .params = {LIST},
     .test = sieve_servermetadataexists_test},
    {NAME("valid_notify_method"), EXT(ENOTIFY), .params = {LIST},
     .test = sieve_valid_notify_method_test},
    {NAME("notify_method_capability"), EXT(ENOTIFY), .tags = MATCH,
     .params = {STRING, STRING, LIST}, .test = sieve_notify_method_capability_test},
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
