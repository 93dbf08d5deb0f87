/* Fuzzes sieve/run: a script, NUL, a message. Whatever the script is, it ends within its limits; a script that fails keeps the
 * message; what comes out is what a host can carry out: valid addresses, no mailbox and no address twice. */
#include "fuzz.h"

#include "base/utf8.h"
#include "sieve/run.h"
#include "sieve/target.h"

#include <assert.h>

enum { ARENA_MOST = 16 * 1024 * 1024, STEPS_MOST = 20000 };

static enum err on_name(void *owner, struct str name, bool *out)
{
    (void)owner;
    *out = name.n % 2 == 0;
    return ERR_OK;
}

static enum err on_use(void *owner, struct str mailbox, struct str use, bool *out)
{
    (void)owner;
    *out = mailbox.n == use.n;
    return ERR_OK;
}

static enum err on_metadata(void *owner, struct str mailbox, struct str name, bool *exists,
                            struct str *out)
{
    (void)owner;
    *exists = name.n % 2 == 0;
    *out = mailbox;
    return ERR_OK;
}

static enum err on_duplicate(void *owner, struct str handle, struct str id, uint64_t seconds,
                             bool is_last, bool *out)
{
    (void)owner;
    (void)handle;
    (void)is_last;
    *out = id.n % 2 == 0 && seconds > 0;
    return ERR_OK;
}

/* Every script includes itself, and some others. */
static enum err on_load(void *owner, bool is_global, struct str name, bool *exists, struct str *out)
{
    const struct str *script = owner;
    *exists = name.n % 3 != 0;
    *out = is_global ? STR("require \"include\"; include :once \"ab\"; keep;") : *script;
    return ERR_OK;
}

static void on_trace(void *owner, uint32_t line, struct str text)
{
    (void)owner;
    (void)line;
    assert(str_find_char(text, '\n') == text.n);
}

static bool is_same(const struct sieve_action *a, const struct sieve_action *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == SIEVE_REDIRECT) {
        return str_eq(a->address, b->address); /* domains in other case are the same, too */
    }
    return a->kind == SIEVE_FILEINTO && str_eq(a->target.mailbox, b->target.mailbox)
           && str_eq(a->target.special_use, b->target.special_use)
           && str_eq(a->target.mailbox_id, b->target.mailbox_id);
}

static void check_action(const struct sieve_result *result, uint32_t i)
{
    const struct sieve_action *a = &result->actions[i];
    struct str address;
    assert(!a->is_implicit || (a->kind == SIEVE_KEEP && i + 1 == result->count));
    assert(a->kind != SIEVE_REDIRECT || sieve_address_read(a->address, &address));
    assert(a->kind != SIEVE_FILEINTO || a->target.mailbox.n > 0);
    assert((a->kind == SIEVE_VACATION) == (a->vacation != NULL));
    assert((a->kind == SIEVE_NOTIFY) == (a->notify != NULL));
    assert(!a->is_edited || str_ends(a->header, STR("\r\n")));
    for (uint32_t k = 0; k < i; k++) {
        assert(!is_same(a, &result->actions[k]));
    }
}

static void run(const struct sieve_script *s, struct str script, struct str message)
{
    static const struct sieve_host host = {.mailbox_exists = on_name,
                                           .mailbox_id_exists = on_name,
                                           .special_use_exists = on_use,
                                           .metadata_get = on_metadata,
                                           .duplicate_is_seen = on_duplicate,
                                           .script_load = on_load,
                                           .notify_is_valid = on_name,
                                           .trace = on_trace};
    struct sieve_limits limits;
    sieve_limits_init(&limits);
    limits.steps = STEPS_MOST;
    limits.memory_octets = 1024 * 1024;
    struct sieve_env env = {.message = message,
                            .has_envelope = true,
                            .from = STR("a+b@example.com"),
                            .to = STR("c+d@example.org"),
                            .now_s = 1700000000,
                            .zone_s = 3600,
                            .cause = message.n % 5 == 0 ? SIEVE_FLAG : SIEVE_DELIVERY,
                            .host = &host,
                            .owner = &script,
                            .limits = &limits};
    struct arena *a = arena_new(ARENA_MOST);
    struct sieve_result result;
    assert(sieve_run(s, &env, a, &result) == ERR_OK);
    assert(result.steps <= STEPS_MOST && result.count <= limits.actions + 1);
    assert(!result.is_failed || (result.count == 1 && result.is_implicit_keep));
    assert(!result.is_failed || result.error.text[0] != '\0');
    for (uint32_t i = 0; i < result.count; i++) {
        check_action(&result, i);
    }
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = str_make((const char *)data, size);
    struct str script = str_split(&message, '\0');
    struct sieve_script *s = NULL;
    struct sieve_error error = {.line = 0};
    struct sieve_config config = {.has_imap_events = true};
    if (sieve_compile(script, &config, &s, &error) == ERR_OK) {
        run(s, script, message);
    }
    sieve_script_free(&s);
    return 0;
}
