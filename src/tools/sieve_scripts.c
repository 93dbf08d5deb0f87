/* limetta sieve put, get, list, activate, deactivate, rename, remove: the scripts of an account, for an operator. The rules are those of
 * ManageSieve (RFC 5804): what does not compile is not stored, what is active is not removed. */
#include "tools/sieve.h"

#include "store/script.h"
#include "tools/tool.h"

#include <stdio.h>

struct opened {
    struct store *store;
    struct account *account;
};

static int open_account(const struct sieve_args *args, struct opened *o)
{
    *o = (struct opened){.store = NULL};
    int code = tool_check_user(args->state, args->user);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = tool_open_store(args->state, &o->store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", args->state, tool_explain(e));
    }
    return tool_open_account(o->store, args->user, true, &o->account);
}

static int fail(const struct sieve_args *args, enum err e)
{
    const char *name = args->words[0] != NULL ? args->words[0] : "scripts";
    switch ((int)e) {
    case ERR_OK:
        return EXIT_FINE;
    case ERR_NOT_FOUND:
        return tool_fail(EXIT_NOT_SO, "%s has no script %s", args->user, name);
    case ERR_SCRIPT_ACTIVE:
        return tool_fail(EXIT_NOT_SO,
                         "%s is active: limetta sieve deactivate --user %s, then remove it", name,
                         args->user);
    case ERR_EXISTS:
        return tool_fail(EXIT_NOT_SO, "%s has a script %s already", args->user, args->words[1]);
    default:
        return tool_fail(tool_exit_code(e), "%s: %s", name, tool_explain(e));
    }
}

/* Ends what open_account() began, whether that went well or not; e: how the change went. */
static int close_account(const struct sieve_args *args, struct opened *o, int code, enum err e)
{
    if (code == EXIT_FINE) {
        e = e == ERR_OK ? tool_commit(o->store, o->account) : e;
        code = fail(args, e);
    }
    account_unref(&o->account);
    store_free(&o->store);
    return code;
}

int sieve_tool_put(const struct sieve_args *args)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIEVE_TOOL_FILE_MOST);
    struct sieve_script *script = NULL;
    struct sieve_error error;
    struct opened o;
    int code = sieve_tool_read(args->words[1], &text);
    if (code != EXIT_FINE) {
        return code;
    }
    if (sieve_tool_compile_text(buf_str(&text), &script, &error) != ERR_OK) {
        return tool_fail(EXIT_NOT_SO, "%s:%u: %s", args->words[1], error.line, error.text);
    }
    sieve_script_free(&script);
    code = open_account(args, &o);
    enum err e = code == EXIT_FINE
                     ? account_script_put(o.account, str_from_c(args->words[0]), buf_str(&text))
                     : ERR_OK;
    return close_account(args, &o, code, e);
}

int sieve_tool_get(const struct sieve_args *args)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIEVE_TOOL_FILE_MOST);
    struct opened o;
    int code = open_account(args, &o);
    enum err e = code == EXIT_FINE
                     ? account_script_get(o.account, str_from_c(args->words[0]), &text)
                     : ERR_OK;
    (void)fwrite(text.len > 0 ? text.p : "", 1, text.len, stdout);
    return close_account(args, &o, code, e);
}

int sieve_tool_list(const struct sieve_args *args)
{
    struct opened o;
    int code = open_account(args, &o);
    enum err e = code == EXIT_FINE ? sieve_show_list(args, o.account) : ERR_OK;
    return close_account(args, &o, code, e);
}

int sieve_tool_activate(const struct sieve_args *args)
{
    struct opened o;
    int code = open_account(args, &o);
    enum err e = ERR_OK;
    if (code == EXIT_FINE) {
        struct str name = str_from_c(args->words[0]);
        e = name.n == 0 ? ERR_SCRIPT_NAME : account_script_set_active(o.account, name);
    }
    return close_account(args, &o, code, e);
}

int sieve_tool_deactivate(const struct sieve_args *args)
{
    struct opened o;
    int code = open_account(args, &o);
    enum err e = code == EXIT_FINE ? account_script_set_active(o.account, STR_EMPTY) : ERR_OK;
    return close_account(args, &o, code, e);
}

int sieve_tool_rename(const struct sieve_args *args)
{
    struct opened o;
    int code = open_account(args, &o);
    enum err e = code == EXIT_FINE ? account_script_rename(o.account, str_from_c(args->words[0]),
                                                           str_from_c(args->words[1]))
                                   : ERR_OK;
    return close_account(args, &o, code, e);
}

int sieve_tool_remove(const struct sieve_args *args)
{
    struct opened o;
    int code = open_account(args, &o);
    enum err e =
        code == EXIT_FINE ? account_script_remove(o.account, str_from_c(args->words[0])) : ERR_OK;
    return close_account(args, &o, code, e);
}
