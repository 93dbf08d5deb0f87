/* The store of one worker: which accounts are open, and how an account opens, rests and closes.
 *
 *     closed --open--> warm --silence, database closed--> resting --use--> warm
 *                        \------ no references, silence ------> closed
 *
 * An open account costs its mailboxes' objects, the views that were looked at, a lock and, while warm, a database handle
 * (about 150 KB and three descriptors). After some silence only the views that somebody holds stay.
 *
 * The folder of an account is its user name, with octets that could mean something to a file system or a shell
 * percent-encoded; names that get too long for a folder end in a hash. */
#include "store/script.h"
#include "store/store_priv.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sys/stat.h>

enum { FOLDER_MOST = 200, FOLDER_HEAD = 120, USER_MOST = 255 };

void *store_allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

char *store_copy(struct str s)
{
    char *c = store_allocate(s.n + 1);
    if (s.n > 0) {
        memcpy(c, s.p, s.n);
    }
    return c;
}

uint64_t store_get_now_ms(const struct store *s)
{
    return s->now_ms(s->now_owner);
}

/* ---- the store ---- */

enum err store_new(const struct store_config *c, struct store **out)
{
    struct store *s = store_allocate(sizeof(*s));
    s->dir = store_copy(c->dir);
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        enum err result = err_from_errno(errno);
        log_error("store: %s: %s", s->dir, strerror(errno));
        free(s->dir);
        free(s);
        return result;
    }
    s->now_ms = c->now_ms;
    s->now_owner = c->now_owner;
    s->is_strict = c->is_flag_durability_strict;
    s->inline_most = c->inline_most == 0 ? INLINE_MOST : c->inline_most;
    s->message_most = c->message_most == 0 ? MESSAGE_MOST : c->message_most;
    s->script_most = c->script_most == 0 ? SCRIPT_MOST_DEFAULT : c->script_most;
    s->scripts_most = c->scripts_most == 0 ? SCRIPTS_MOST_DEFAULT : c->scripts_most;
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        s->quota[i] = c->quota[i] == 0 ? QUOTA_UNLIMITED : c->quota[i];
    }
    s->on_change = c->on_change;
    s->on_change_owner = c->on_change_owner;
    s->users = map_new();
    list_init(&s->accounts);
    list_init(&s->dirty);
    *out = s;
    return ERR_OK;
}

void store_free(struct store **s)
{
    if (*s == NULL) {
        return;
    }
    list_each_safe(node, &(*s)->accounts)
    {
        struct account *a = list_entry(node, struct account, node);
        account_close(&a);
    }
    map_free(&(*s)->users);
    free((*s)->dir);
    free(*s);
    *s = NULL;
}

/* ---- opening ---- */

static bool is_plain(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '@' || c == '-' || c == '_' || c == '+';
}

void store_write_folder_name(struct str user, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < user.n; i++) {
        char c = user.p[i];
        if (is_plain(c) || (c == '.' && i > 0)) {
            buf_add_char(out, c);
        } else {
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
    if (out->len - start > FOLDER_MOST) {
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        if (EVP_Digest(user.p, user.n, hash, &size, EVP_sha256(), NULL) != 1) {
            abort();
        }
        buf_truncate(out, start + FOLDER_HEAD);
        buf_add_char(out, '~');
        for (unsigned i = 0; i < size; i++) {
            buf_addf(out, "%02x", (unsigned)hash[i]);
        }
    }
}

void store_write_folder(const struct store *s, struct str user, struct buf *out)
{
    buf_addf(out, "%s/", s->dir);
    store_write_folder_name(user, out);
}

static struct account *account_new(struct store *s, struct str user)
{
    struct account *a = store_allocate(sizeof(*a));
    a->store = s;
    a->user = store_copy(user);
    a->home = view_home_new(a);
    a->names = map_new();
    a->subscriptions = map_new();
    a->origins = map_new();
    a->grantors = map_new();
    a->next_mailbox_id = 1;
    a->next_body_id = 1;
    a->used_ms = store_get_now_ms(s);
    buf_init(&a->shape_octets, COLUMNS_MOST);
    list_init(&a->node);
    list_init(&a->dirty_node);
    list_init(&a->mailboxes);
    list_init(&a->changed);
    list_init(&a->writers);
    list_init(&a->waits);
    list_init(&a->watches);
    return a;
}

/* Too many databases are open: the one that was not used for longest rests. */
static void rest_longest_idle(struct store *s)
{
    struct account *longest = NULL;
    list_each(node, &s->accounts)
    {
        struct account *a = list_entry(node, struct account, node);
        bool may_rest = a->db != NULL && !a->is_dirty && !a->is_in_transaction;
        if (may_rest && (longest == NULL || a->used_ms < longest->used_ms)) {
            longest = a;
        }
    }
    if (longest != NULL) {
        account_rest(longest);
    }
}

static enum err open_db(struct account *a, bool must_create)
{
    if (a->store->warm_count >= WARM_MOST) {
        rest_longest_idle(a->store);
    }
    TRY(db_open(a->engine, str_from_c(a->user), must_create, &a->db));
    a->store->warm_count++;
    return ERR_OK;
}

void account_close_db(struct account *a)
{
    if (a->db != NULL) {
        db_close(&a->db);
        a->store->warm_count--;
    }
}

/* What a new account has. */
static enum err furnish(struct account *a)
{
    static const struct {
        const char *name;
        unsigned special_use;
    } MAILBOXES[] = {
        {"INBOX", USE_NONE}, {"Drafts", USE_DRAFTS}, {"Sent", USE_SENT},
        {"Junk", USE_JUNK},  {"Trash", USE_TRASH},   {"Archive", USE_ARCHIVE},
    };
    for (size_t i = 0; i < sizeof(MAILBOXES) / sizeof(MAILBOXES[0]); i++) {
        struct str name = str_from_c(MAILBOXES[i].name);
        TRY(account_add_mailbox(a, name, MAILBOXES[i].special_use));
        TRY(account_set_subscribed(a, name, true));
    }
    account_commit(a);
    return map_find(a->names, STR("INBOX")) != NULL ? ERR_OK : ERR_IO;
}

static enum err open_stored(struct account *a, bool must_create)
{
    struct buf folder = BUF_INIT(4096);
    store_write_folder(a->store, str_from_c(a->user), &folder);
    enum err result = buf_err(&folder);
    if (result == ERR_OK) {
        result = engine_open(buf_str(&folder), must_create, &a->engine);
    }
    buf_release(&folder);
    TRY(result);
    TRY(open_db(a, must_create));
    TRY(account_load(a, a->db));
    bool is_new = map_find(a->names, STR("INBOX")) == NULL;
    if (is_new && !must_create) {
        return ERR_NOT_FOUND;
    }
    return is_new ? furnish(a) : ERR_OK;
}

static bool is_user_name(struct str user)
{
    return user.n > 0 && user.n <= USER_MOST && memchr(user.p, '\0', user.n) == NULL;
}

enum err store_delete_account(struct store *s, struct str user)
{
    if (!is_user_name(user)) {
        return ERR_NOT_FOUND;
    }
    if (map_find(s->users, user) != NULL) {
        return ERR_IN_USE;
    }
    struct buf folder = BUF_INIT(4096);
    store_write_folder(s, user, &folder);
    enum err e = buf_err(&folder);
    if (e == ERR_OK) {
        e = engine_remove(buf_str(&folder));
    }
    buf_release(&folder);
    return e;
}

enum err store_open_account(struct store *s, struct str user, bool must_create,
                            struct account **out)
{
    if (!is_user_name(user)) {
        return ERR_NOT_FOUND;
    }
    struct account *a = map_find(s->users, user);
    if (a == NULL) {
        a = account_new(s, user);
        enum err result = open_stored(a, must_create);
        if (result != ERR_OK) {
            account_close(&a);
            return result;
        }
        list_append(&s->accounts, &a->node);
        (void)map_put(s->users, user, a);
    }
    a->refs++;
    *out = a;
    return ERR_OK;
}

void account_ref(struct account *a)
{
    a->refs++;
}

void account_unref(struct account **a)
{
    if (*a != NULL) {
        assert((*a)->refs > 0);
        (*a)->refs--;
        (*a)->used_ms = store_get_now_ms((*a)->store);
    }
    *a = NULL;
}

struct str account_get_user(const struct account *a)
{
    return str_from_c(a->user);
}

enum err account_ready(struct account *a, struct db **db)
{
    a->used_ms = store_get_now_ms(a->store);
    if (a->db == NULL) {
        TRY(open_db(a, false));
    }
    if (a->must_reload) {
        TRY(account_load(a, a->db));
        a->must_reload = false;
    }
    *db = a->db;
    return ERR_OK;
}

/* ---- closing ---- */

static enum err write_clean_mark(struct account *a)
{
    TRY(db_set_durable(a->db, true));
    TRY(DB_RUN(a->db, BEGIN));
    enum err result = DB_RUN(a->db, META_SET, value_text(STR("is_clean")), value_int(1));
    if (result == ERR_OK) {
        /* Nothing above was shown: the next start goes on from here without a jump. */
        result = DB_RUN(a->db, META_SET, value_text(STR("modseq_limit")), value_id(a->modseq));
    }
    if (result == ERR_OK) {
        result =
            DB_RUN(a->db, META_SET, value_text(STR("modseq_floor")), value_id(a->modseq_floor));
    }
    if (result == ERR_OK) {
        result = DB_RUN(a->db, META_SET, value_text(STR("text_mark")), value_id(a->text.mark));
    }
    list_each(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        if (result == ERR_OK && m->is_recent_changed && !m->is_deleted) {
            result = DB_RUN(a->db, MAILBOX_SET_RECENT, value_id(m->id), value_id(m->first_recent));
            m->is_recent_changed = false;
        }
    }
    result = result == ERR_OK ? DB_RUN(a->db, COMMIT) : result;
    db_rollback(a->db);
    TRY(result);
    a->is_clean = true;
    a->modseq_limit = a->modseq;
    a->unsynced_ms = 0;
    return ERR_OK;
}

struct account_memo *account_find_memo(const struct account *a)
{
    return a->memo;
}

void account_set_memo(struct account *a, struct account_memo *memo)
{
    if (a->memo != NULL) {
        a->memo->drop(a->memo);
    }
    a->memo = memo;
}

void account_rest(struct account *a)
{
    assert(!a->is_in_transaction);
    account_close_text(a);
    if (a->db == NULL) {
        return;
    }
    outbox_rest(a);
    if (!a->is_clean && !a->must_reload && write_clean_mark(a) != ERR_OK) {
        a->must_reload = true;
    }
    account_close_db(a);
    account_drop_shapes(a);
    account_set_memo(a, NULL);
    list_each(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        draft_free(&m->draft); /* one that changed nothing */
        for (uint32_t i = 0; m->view != NULL && !m->is_deleted && i < m->view->page_count; i++) {
            page_drop_cold(m->view->pages[i]);
        }
        if (m->view != NULL && m->view->refs == 1 && m->refs == 0) {
            view_unref(&m->view);
        }
    }
}

void account_close(struct account **a)
{
    struct account *x = *a;
    account_drop_pending(x);
    account_rest(x);
    list_each_safe(node, &x->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        if (m->refs == 0) {
            mailbox_free(&m);
            continue;
        }
        list_remove(&m->node);
        list_detach(&m->watches);
        view_unref(&m->view);
        m->account = NULL;
    }
    if (map_find(x->store->users, str_from_c(x->user)) == x) {
        (void)map_remove(x->store->users, str_from_c(x->user));
    }
    list_remove(&x->node);
    list_remove(&x->dirty_node);
    list_detach(&x->waits);
    list_detach(&x->watches);
    view_home_leave(&x->home);
    engine_close(&x->engine);
    map_free(&x->names);
    map_free(&x->subscriptions);
    account_free_origins(x);
    map_free(&x->grantors);
    account_forget_infos(x);
    vec_release(&x->infos);
    account_set_memo(x, NULL);
    vec_release(&x->shape_slots);
    buf_release(&x->shape_octets);
    free(x->user);
    free(x);
    *a = NULL;
}
