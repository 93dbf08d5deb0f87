/* What a script that is tried at a shell sees of an account: mailboxes, special uses, annotations, other scripts. All of it is looked at
 * and nothing changed; ids of duplicates were never seen. */
#include "tools/sieve.h"

#include "store/annotation.h"
#include "store/object.h"
#include "store/script.h"
#include "wire/webhook.h"

static struct str keep(struct sieve_world *w, const struct buf *b)
{
    return arena_str(w->arena, buf_str(b));
}

static enum err mailbox_exists(void *owner, struct str name, bool *out)
{
    struct sieve_world *w = owner;
    struct mailbox *m = NULL;
    *out = w->account != NULL && account_find_mailbox(w->account, name, &m) == ERR_OK;
    mailbox_unref(&m);
    return ERR_OK;
}

static enum err mailbox_id_exists(void *owner, struct str id, bool *out)
{
    struct sieve_world *w = owner;
    struct mailbox_info info;
    size_t at = 0;
    *out = false;
    while (w->account != NULL && !*out && account_next_mailbox(w->account, &at, &info)) {
        char text[OBJECT_ID_MOST];
        struct mailbox *m = info.is_mailbox ? account_find_mailbox_id(w->account, info.id) : NULL;
        *out = m != NULL && str_eq(object_get_mailbox(m, text), id);
    }
    return ERR_OK;
}

/* RFC 6154, 2 */
static unsigned find_use(struct str use)
{
    static const struct {
        const char *name;
        unsigned use;
    } USES[] = {{"\\Archive", USE_ARCHIVE},
                {"\\Drafts", USE_DRAFTS},
                {"\\Junk", USE_JUNK},
                {"\\Sent", USE_SENT},
                {"\\Trash", USE_TRASH}};
    for (size_t i = 0; i < sizeof(USES) / sizeof(USES[0]); i++) {
        if (str_eq_nocase(use, str_from_c(USES[i].name))) {
            return USES[i].use;
        }
    }
    return USE_NONE;
}

static enum err special_use_exists(void *owner, struct str mailbox, struct str use, bool *out)
{
    struct sieve_world *w = owner;
    struct mailbox_info info;
    size_t at = 0;
    *out = false;
    while (w->account != NULL && !*out && account_next_mailbox(w->account, &at, &info)) {
        *out = (mailbox.n == 0 || str_eq(mailbox, info.name))
               && (info.special_use & find_use(use)) != 0;
    }
    return ERR_OK;
}

static enum err metadata_get(void *owner, struct str mailbox, struct str name, bool *exists,
                             struct str *out)
{
    struct sieve_world *w = owner;
    struct mailbox *m = NULL;
    *exists = false;
    if (w->account == NULL
        || (mailbox.n > 0 && account_find_mailbox(w->account, mailbox, &m) != ERR_OK)) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf value = BUF_INIT(ANNOTATION_VALUE_MOST);
    enum err e =
        account_get_annotation(w->account, m, account_get_user(w->account), name, &value, exists);
    *out = keep(w, &value);
    mailbox_unref(&m);
    return e;
}

static enum err script_load(void *owner, bool is_global, struct str name, bool *exists,
                            struct str *out)
{
    struct sieve_world *w = owner;
    *exists = false;
    if (w->account == NULL || is_global) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIEVE_TOOL_FILE_MOST);
    enum err e = account_script_get(w->account, name, &text);
    *exists = e == ERR_OK;
    *out = keep(w, &text);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Which web hooks are allowed is the server's configuration: here any may be. */
static enum err notify_is_valid(void *owner, struct str uri, bool *out)
{
    struct webhook_url url;
    (void)owner;
    *out = webhook_parse(uri, &url);
    return ERR_OK;
}

static void trace(void *owner, uint32_t line, struct str text)
{
    struct sieve_world *w = owner;
    w->trace(w->trace_owner, line, text);
}

const struct sieve_host SIEVE_WORLD_HOST = {
    .mailbox_exists = mailbox_exists,
    .mailbox_id_exists = mailbox_id_exists,
    .special_use_exists = special_use_exists,
    .metadata_get = metadata_get,
    .script_load = script_load,
    .notify_is_valid = notify_is_valid,
    .trace = trace,
};
