/* Housekeeping between the turns: what must happen soon (lazy flag changes reach the disk within a second), what had
 * better happen now than in the middle of a commit (checkpoints, deleting bodies), and what silence allows (closing). */
#include "store/store_priv.h"

#include "base/log.h"

enum {
    SYNC_AFTER_MS = 500,       /* flag changes are on disk within a second */
    REST_AFTER_MS = 30 * 1000, /* the database closes after this silence */
    CLOSE_AFTER_MS = 5 * 1000, /* the account, when nobody holds it: tools wait for its lock */
    SHRINK_AFTER_MS = 2000,    /* its page cache, up to 1 MB, goes before */
    CHECKPOINT_QUIET_MS = 250,
    CHECKPOINT_PAGES = 1000, /* worth a checkpoint when it is quiet */
    TICK_MS = 250
};

static void sync_if_due(struct account *a, uint64_t now)
{
    if (a->db == NULL || a->unsynced_ms == 0 || now - a->unsynced_ms < SYNC_AFTER_MS) {
        return;
    }
    a->unsynced_ms = 0;
    enum err result = db_sync(a->db);
    if (result == ERR_OK) {
        return;
    }
    /* What was not written will not be written later: only a new handle knows what there is. */
    if (a->is_dirty) {
        err_ignore(account_poison(a, result));
        return;
    }
    account_close_db(a);
    a->must_reload = true;
}

static void checkpoint_if_due(struct account *a, uint64_t now)
{
    uint32_t pages = db_get_log_pages(a->db);
    bool is_quiet = now - a->used_ms >= CHECKPOINT_QUIET_MS;
    if (pages >= LOG_PAGES_MUCH || (is_quiet && pages >= CHECKPOINT_PAGES)) {
        err_ignore(db_checkpoint(a->db)); /* logged; then the log only grows */
    }
}

/* Somebody outside may still read through the account. */
static bool is_held(const struct account *a)
{
    if (a->refs > 0 || !list_is_empty(&a->writers) || !list_is_empty(&a->waits)) {
        return true;
    }
    list_each(node, &a->mailboxes)
    {
        if (list_entry(node, struct mailbox, node)->refs > 0) {
            return true;
        }
    }
    return false;
}

/* What silence allows while the account stays open. */
static void rest_if_due(struct account *a, uint64_t silence_ms, uint64_t rest_after_ms)
{
    if (a->db != NULL && silence_ms >= SHRINK_AFTER_MS && a->shrunk_ms != a->used_ms) {
        a->shrunk_ms = a->used_ms;
        account_close_text(a);
        db_shrink(a->db);
    }
    if (a->db != NULL && silence_ms >= rest_after_ms) {
        account_rest(a);
    }
}

/* Returns ms until the account wants another look; 0: not before its next change. */
static uint64_t tick_account(struct account **a, uint64_t now)
{
    struct account *x = *a;
    sync_if_due(x, now);
    if (x->is_dirty || x->is_in_transaction) {
        return TICK_MS;
    }
    if (x->db != NULL) {
        checkpoint_if_due(x, now);
        if (account_sweep(x)) {
            return TICK_MS;
        }
    }
    bool is_free = !is_held(x);
    rest_if_due(x, now - x->used_ms, is_free ? CLOSE_AFTER_MS : REST_AFTER_MS);
    if (x->db == NULL && is_free && now - x->used_ms >= CLOSE_AFTER_MS) {
        account_close(a);
        return 0;
    }
    return x->db != NULL || is_free ? TICK_MS : 0;
}

uint64_t store_tick(struct store *s)
{
    uint64_t now = store_get_now_ms(s);
    uint64_t wanted = 0;
    list_each_safe(node, &s->accounts)
    {
        struct account *a = list_entry(node, struct account, node);
        uint64_t ms = tick_account(&a, now);
        wanted = ms > 0 ? ms : wanted;
    }
    return wanted;
}

bool store_is_empty(const struct store *s)
{
    return list_is_empty(&s->accounts);
}
