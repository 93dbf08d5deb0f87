/* limetta user quota: what an account holds and may hold.
 *
 *     limetta user quota NAME [--storage KIB] [--messages N] [--mailboxes N] [--state DIR]
 *
 * A limit is a number, "none", or "default" (what the server's configuration says). Without a limit it only shows. It works on the
 * account's own database, so the account must not be open in a server; there a quota administrator says SETQUOTA. */
#include "tools/user_quota.h"

#include "store/quota.h"
#include "tools/tool.h"

#include <stdio.h>

static const char *const NAMES[QUOTA_RESOURCE_COUNT] = {
    [QUOTA_STORAGE] = "storage",
    [QUOTA_MESSAGE] = "messages",
    [QUOTA_MAILBOX] = "mailboxes",
};

static bool parse_limit(struct str s, uint64_t *out)
{
    if (str_eq(s, STR("none"))) {
        *out = QUOTA_UNLIMITED;
        return true;
    }
    if (str_eq(s, STR("default"))) {
        *out = QUOTA_DEFAULT;
        return true;
    }
    return str_to_u64(s, QUOTA_LIMIT_MOST, out);
}

static void show(const struct account *a)
{
    struct quota q;
    account_get_quota(a, &q);
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        bool is_storage = i == QUOTA_STORAGE;
        unsigned long long usage = is_storage ? (q.usage[i] + 1023) / 1024 : q.usage[i];
        (void)printf("%s\t%llu%s of ", NAMES[i], usage, is_storage ? " KiB" : "");
        if (q.own[i] == QUOTA_DEFAULT || q.own[i] == QUOTA_UNLIMITED) {
            (void)printf("%s\n", q.own[i] == QUOTA_DEFAULT ? "default" : "none");
        } else {
            (void)printf("%llu\n", (unsigned long long)q.own[i]);
        }
    }
}

/* Sets those that are given; the others stay. */
static int change(struct store *store, struct account *a, const char *const *limits)
{
    struct quota q;
    bool is_new = false;
    account_get_quota(a, &q);
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        if (limits[i] != NULL && !parse_limit(str_from_c(limits[i]), &q.own[i])) {
            return tool_fail(EXIT_USAGE, "--%s: %s is no number, none or default", NAMES[i],
                             limits[i]);
        }
        is_new = is_new || limits[i] != NULL;
    }
    if (!is_new) {
        return EXIT_FINE;
    }
    enum err e = account_set_quota(a, q.own);
    e = e == ERR_OK ? tool_commit(store, a) : e;
    return e == ERR_OK ? EXIT_FINE : tool_fail(tool_exit_code(e), "limits: %s", tool_explain(e));
}

int user_quota(const char *state, const char *name, const char *const *limits)
{
    struct store *store;
    struct account *a;
    int code = tool_check_user(state, name);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = tool_open_store(state, &store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", state, tool_explain(e));
    }
    bool is_change = limits[QUOTA_STORAGE] != NULL || limits[QUOTA_MESSAGE] != NULL
                     || limits[QUOTA_MAILBOX] != NULL;
    code = tool_open_account(store, name, is_change, &a);
    if (code == EXIT_FINE) {
        code = change(store, a, limits);
        if (code == EXIT_FINE) {
            show(a);
        }
        account_unref(&a);
    }
    store_free(&store);
    return code;
}
