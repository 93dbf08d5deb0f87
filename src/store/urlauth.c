/* URLAUTH access keys (RFC 4467, 2): 32 octets from the kernel's generator, one a mailbox, made when first asked for. The store
 * only keeps them; what they sign is IMAP's business. */
#include "store/store_priv.h"

#include <sys/random.h>

static enum err load_key(struct mailbox *m, struct db *db)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, URLAUTH_GET, &rows, value_id(m->id)));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        return ERR_OK;
    }
    struct str key = row_str(&rows, 0);
    bool is_good = key.n == sizeof(m->urlauth_key);
    if (is_good) {
        memcpy(m->urlauth_key, key.p, key.n);
        m->has_urlauth_key = true;
    }
    db_end(&rows);
    return is_good ? ERR_OK : ERR_CORRUPT;
}

static void make_key(struct mailbox *m)
{
    if (getrandom(m->urlauth_key, sizeof(m->urlauth_key), 0) != (ssize_t)sizeof(m->urlauth_key)) {
        abort();
    }
    m->has_urlauth_key = true;
    m->is_urlauth_key_new = true;
    m->account->must_sync = true;
    mailbox_mark_changed(m);
}

enum err mailbox_get_urlauth_key(struct mailbox *m, uint8_t key[URLAUTH_KEY_SIZE])
{
    struct db *db;
    TRY(account_begin_change(m->account, &db));
    if (m->is_deleted || m->is_deleting) {
        return ERR_NO_MAILBOX;
    }
    if (!m->has_urlauth_key) {
        TRY(load_key(m, db));
    }
    if (!m->has_urlauth_key) {
        make_key(m);
    }
    memcpy(key, m->urlauth_key, URLAUTH_KEY_SIZE);
    return ERR_OK;
}

enum err account_reset_urlauth_key(struct account *a, struct mailbox *m)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    if (m != NULL) {
        if (m->is_deleted || m->is_deleting) {
            return ERR_NO_MAILBOX;
        }
        make_key(m);
        return ERR_OK;
    }
    list_each(node, &a->mailboxes)
    {
        struct mailbox *x = list_entry(node, struct mailbox, node);
        if (!x->is_deleted && !x->is_deleting) {
            make_key(x);
        }
    }
    return ERR_OK;
}
