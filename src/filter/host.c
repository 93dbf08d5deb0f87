/* What a script may ask about the account while it runs: mailboxes, metadata, what was seen before, other scripts. Everything is read as
 * it is committed, or pending in this turn; nothing is changed here. */
#include "filter/filter_priv.h"

#include "imap/special_use.h"
#include "store/annotation.h"
#include "store/object.h"
#include "store/script.h"
#include "store/seen.h"
#include "wire/webhook.h"

unsigned find_use(struct str name)
{
    unsigned uses = 0;
    struct scan c = scan_make(name);
    scan_special_use(&c, &uses);
    return scan_is_ok(&c) && scan_is_end(&c) ? uses : 0;
}

/* ---- mailboxes ---- */

static struct mailbox *find_id(struct account *a, struct str id)
{
    size_t at = 0;
    struct mailbox_info info;
    while (account_next_mailbox(a, &at, &info)) {
        char text[OBJECT_ID_MOST];
        struct mailbox *m = info.is_mailbox ? account_find_mailbox_id(a, info.id) : NULL;
        if (m != NULL && str_eq(object_get_mailbox(m, text), id)) {
            return m;
        }
    }
    return NULL;
}

static struct mailbox *find_special(struct account *a, unsigned use)
{
    size_t at = 0;
    struct mailbox_info info;
    while (use != 0 && account_next_mailbox(a, &at, &info)) {
        if (info.is_mailbox && (info.special_use & use) != 0) {
            return account_find_mailbox_id(a, info.id);
        }
    }
    return NULL;
}

/* A name that cannot be one is one of no mailbox. */
static enum err find_name(struct account *a, struct str name, struct mailbox **out)
{
    enum err e = account_find_mailbox(a, name, out);
    return e == ERR_MAILBOX_NAME ? ERR_NO_MAILBOX : e;
}

enum err find_target(struct account *a, const struct sieve_target *target, struct mailbox **out)
{
    struct mailbox *m = NULL;
    if (target->mailbox_id.n > 0) {
        m = find_id(a, target->mailbox_id);
    }
    if (m == NULL && target->special_use.n > 0) {
        m = find_special(a, find_use(target->special_use));
    }
    if (m == NULL) {
        return find_name(a, target->mailbox, out);
    }
    mailbox_ref(m);
    *out = m;
    return ERR_OK;
}

static enum err mailbox_exists(void *owner, struct str name, bool *out)
{
    struct run *r = owner;
    struct mailbox *m = NULL;
    enum err e = find_name(r->account, name, &m);
    *out = e == ERR_OK;
    mailbox_unref(&m);
    return e == ERR_NO_MAILBOX ? ERR_OK : e;
}

static enum err mailbox_id_exists(void *owner, struct str id, bool *out)
{
    *out = find_id(((struct run *)owner)->account, id) != NULL;
    return ERR_OK;
}

static enum err special_use_exists(void *owner, struct str mailbox, struct str use, bool *out)
{
    struct run *r = owner;
    unsigned bit = find_use(use);
    *out = false;
    if (mailbox.n == 0) {
        *out = find_special(r->account, bit) != NULL;
        return ERR_OK;
    }
    struct mailbox *m = NULL;
    enum err e = find_name(r->account, mailbox, &m);
    *out = e == ERR_OK && (mailbox_get_special_use(m) & bit) != 0;
    mailbox_unref(&m);
    return e == ERR_NO_MAILBOX ? ERR_OK : e;
}

/* ---- metadata ---- */

static enum err metadata_get(void *owner, struct str mailbox, struct str name, bool *exists,
                             struct str *out)
{
    struct run *r = owner;
    struct mailbox *m = NULL;
    *exists = false;
    enum err e = mailbox.n > 0 ? find_name(r->account, mailbox, &m) : ERR_OK;
    if (e != ERR_OK) {
        return e == ERR_NO_MAILBOX ? ERR_OK : e;
    }
    CLEANUP(buf_release) struct buf value = BUF_INIT(ANNOTATION_VALUE_MOST);
    bool is_name =
        str_starts_nocase(name, STR("/private/")) || str_starts_nocase(name, STR("/shared/"));
    if (is_name) {
        e = account_get_annotation(r->account, m, account_get_user(r->account), name, &value,
                                   exists);
    }
    mailbox_unref(&m);
    *out = arena_str(r->a, buf_str(&value));
    return e;
}

/* ---- what was seen ---- */

static enum err duplicate_is_seen(void *owner, struct str handle, struct str id, uint64_t seconds,
                                  bool is_last, bool *out)
{
    struct run *r = owner;
    struct asked_id asked = {.seconds = seconds, .is_last = is_last};
    asked.key = arena_printf(r->a, "%zu %.*s %.*s", handle.n, STR_ARG(handle), STR_ARG(id));
    TRY(asked.key.p == NULL ? ERR_LIMIT : ERR_OK);
    TRY(account_find_seen(r->account, SEEN_DUPLICATE, asked.key, r->now_s, &asked.is_seen));
    *out = asked.is_seen;
    vec_push(&r->asked, asked);
    return ERR_OK;
}

/* ---- scripts and methods ---- */

static enum err script_load(void *owner, bool is_global, struct str name, bool *exists,
                            struct str *out)
{
    struct run *r = owner;
    CLEANUP(buf_release) struct buf text = BUF_INIT(SCRIPT_TEXT_MOST);
    *exists = false;
    enum err e = is_global ? ERR_NOT_FOUND : account_script_get(r->account, name, &text);
    if (e == ERR_NOT_FOUND || e == ERR_SCRIPT_NAME) {
        return ERR_OK;
    }
    TRY(e);
    *exists = true;
    *out = arena_str(r->a, buf_str(&text));
    return out->p == NULL && text.len > 0 ? ERR_LIMIT : ERR_OK;
}

/* A URL that the operator allows: who posts asks the same once more. */
static enum err notify_is_valid(void *owner, struct str uri, bool *out)
{
    struct run *r = owner;
    *out = webhook_is_allowed(r->f->config.notify_urls, uri);
    return ERR_OK;
}

static enum err notify_get_capability(void *owner, struct str uri, struct str name, bool *exists,
                                      struct str *out)
{
    *exists = str_eq_nocase(name, STR("online"));
    *out = STR("maybe");
    return ERR_OK;
}

const struct sieve_host FILTER_HOST = {
    .mailbox_exists = mailbox_exists,
    .mailbox_id_exists = mailbox_id_exists,
    .special_use_exists = special_use_exists,
    .metadata_get = metadata_get,
    .duplicate_is_seen = duplicate_is_seen,
    .script_load = script_load,
    .notify_is_valid = notify_is_valid,
    .notify_get_capability = notify_get_capability,
};
