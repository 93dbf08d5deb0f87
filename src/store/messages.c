/* Changing messages: append, flags, expunge, copy and move.
 *
 * All of it edits drafts; nothing is written before the commit but new bodies. Conditions are checked first, so that what is
 * refused leaves no trace; what fails half way on the disk poisons the turn. */
#include "store/store_priv.h"

#include "store/body.h"
#include "store/object.h"

#include <assert.h>

static enum err begin(struct mailbox *m, struct draft **d)
{
    struct db *db;
    TRY(account_begin_change(m->account, &db));
    return draft_begin(m, d);
}

/* ---- append ---- */

static enum err check_append(const struct account *a, uint64_t size, const struct append_args *args)
{
    uint64_t again = size < args->replaced_octets ? size : args->replaced_octets;
    return account_check_quota(a, args->is_replacing ? 0 : 1, size - again);
}

enum err mailbox_append(struct mailbox *m, struct body_writer *w, const struct append_args *args,
                        struct uid *uid)
{
    struct draft *d;
    TRY(begin(m, &d));
    TRY(body_writer_check(w));
    if (d->uidnext == UINT32_MAX || args->email_id.n >= OBJECT_ID_MOST) {
        return ERR_LIMIT;
    }
    struct account *a = m->account;
    TRY(check_append(a, body_writer_get_shown_size(w), args));
    bool is_first;
    struct message msg = {
        .flags = args->flags,
        .internaldate_s = args->internaldate_s,
        .savedate_s = (int64_t)(store_get_now_ms(a->store) / 1000),
        .size = body_writer_get_shown_size(w),
    };
    enum err result = body_writer_store(w, &msg.body_id, &is_first);
    if (result == ERR_OK && is_first && args->email_id.n > 0) {
        result = account_add_origin(a, msg.body_id, args->email_id);
    }
    if (result == ERR_OK) {
        msg.modseq = account_next_modseq(a);
        result = draft_append(m, d, &msg);
    }
    if (result != ERR_OK) {
        return account_poison(a, result);
    }
    if (!is_first) {
        vec_push(&d->taken, msg.body_id);
    }
    a->must_sync = true;
    mailbox_mark_changed(m);
    *uid = msg.uid;
    return ERR_OK;
}

/* ---- flags ---- */

struct flag_change {
    enum flag_op op;
    uint64_t flags;
    uint64_t unchanged_since;
    uint64_t modseq; /* of this change; 0 while nothing changed */
    struct numset *modified;
};

static uint64_t apply_flags(const struct flag_change *c, uint64_t old)
{
    switch (c->op) {
    case FLAG_OP_SET:
        return c->flags;
    case FLAG_OP_ADD:
        return old | c->flags;
    case FLAG_OP_REMOVE:
        return old & ~c->flags;
    default:
        assert(false);
        return old;
    }
}

static void change_row(struct mailbox *m, struct draft *d, size_t i, uint32_t row,
                       struct flag_change *c)
{
    struct page *p = d->pages.at[i];
    if (p->modseqs[row] > c->unchanged_since) {
        numset_add(c->modified, p->uids[row], p->uids[row]);
        return;
    }
    uint64_t flags = apply_flags(c, p->flags[row]);
    if (flags == p->flags[row]) {
        return;
    }
    if (c->modseq == 0) {
        c->modseq = account_next_modseq(m->account);
        d->highestmodseq = c->modseq;
        mailbox_mark_changed(m);
    }
    page_set_flags(draft_edit_hot(d, i), row, flags, c->modseq);
}

enum err mailbox_store_flags(struct mailbox *m, const struct numset *uids, enum flag_op op,
                             uint64_t flags, uint64_t unchanged_since, struct numset *modified)
{
    struct draft *d;
    TRY(begin(m, &d));
    assert(modified != NULL || unchanged_since == UINT64_MAX);
    struct flag_change c = {op, flags, unchanged_since, 0, modified};
    struct pick pick = {uids, 0};
    for (size_t i = 0; i < d->pages.count; i++) {
        const struct page *p = d->pages.at[i];
        if (!pick_may_have(&pick, p->uids[0], p->uids[p->count - 1])) {
            continue;
        }
        for (uint32_t row = 0; row < d->pages.at[i]->count; row++) {
            if (pick_has(&pick, d->pages.at[i]->uids[row])) {
                change_row(m, d, i, row, &c);
            }
        }
    }
    return ERR_OK;
}

/* ---- expunge ---- */

enum err mailbox_expunge(struct mailbox *m, const struct numset *uids, bool only_deleted,
                         struct numset *removed)
{
    struct draft *d;
    TRY(begin(m, &d));
    size_t before = d->expunged.count;
    enum err result = draft_expunge(m, d, uids, only_deleted, removed);
    if (result != ERR_OK) {
        return account_poison(m->account, result);
    }
    if (d->expunged.count > before) {
        m->account->must_sync = true;
        mailbox_mark_changed(m);
    }
    return ERR_OK;
}

/* ---- copy and move ---- */

struct copy {
    struct mailbox *from;
    struct mailbox *to;
    struct draft *d; /* of `to` */
    const struct numset *uids;
    uint32_t end_uid; /* messages from here on came during this copy */
    bool is_move;
    uint64_t keywords[64]; /* bit number there to bit here */
    uint64_t modseq;
    int64_t now_s;
    void (*on_pair)(void *owner, struct copy_pair p);
    void *owner;
};

/* All flags of the picked messages, and how many there are. */
static uint64_t gather_flags(const struct draft *d, const struct numset *uids, uint64_t *count)
{
    struct pick pick = {uids, 0};
    uint64_t flags = 0;
    for (size_t i = 0; i < d->pages.count; i++) {
        const struct page *p = d->pages.at[i];
        if (!pick_may_have(&pick, p->uids[0], p->uids[p->count - 1])) {
            continue;
        }
        for (uint32_t row = 0; row < p->count; row++) {
            if (pick_has(&pick, p->uids[row])) {
                flags |= p->flags[row];
                (*count)++;
            }
        }
    }
    return flags;
}

/* Finds or makes the target's bits for the flags that come along. A message is worth more than a keyword for which there is no
 * room: that one is left behind. */
static enum err map_keywords(struct copy *c, uint64_t flags)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        c->keywords[bit] = UINT64_C(1) << bit;
        if (bit >= KEYWORD_FIRST && (flags >> bit & 1) != 0) {
            struct str name = mailbox_get_keyword_name(c->from, bit);
            enum err e = mailbox_get_keyword(c->to, name, true, &c->keywords[bit]);
            if (e == ERR_LIMIT) {
                c->keywords[bit] = 0;
            } else if (e != ERR_OK) {
                return e;
            }
        }
    }
    return ERR_OK;
}

static uint64_t translate_flags(const struct copy *c, uint64_t flags)
{
    uint64_t out = flags & ((UINT64_C(1) << KEYWORD_FIRST) - 1);
    for (uint64_t rest = flags & ~out; rest != 0; rest &= rest - 1) {
        out |= c->keywords[__builtin_ctzll(rest)];
    }
    return out;
}

/* Octets of the picked messages. */
static enum err sum_sizes(struct mailbox *m, const struct draft *d, const struct numset *uids,
                          uint64_t *octets)
{
    struct pick pick = {uids, 0};
    for (size_t i = 0; i < d->pages.count; i++) {
        struct page *p = d->pages.at[i];
        if (!pick_may_have(&pick, p->uids[0], p->uids[p->count - 1])) {
            continue;
        }
        TRY(draft_load_cold(m, p));
        for (uint32_t row = 0; row < p->count; row++) {
            *octets += pick_has(&pick, p->uids[row]) ? p->cold->sizes[row] : 0;
        }
    }
    return ERR_OK;
}

/* A move within an account takes no room. */
static enum err check_room(const struct copy *c, const struct draft *source, uint64_t count)
{
    uint64_t octets = 0;
    if (c->is_move) {
        return ERR_OK;
    }
    if (quota_has_storage_limit(c->from->account)) {
        TRY(sum_sizes(c->from, source, c->uids, &octets));
    }
    return account_check_quota(c->from->account, count, octets);
}

static enum err copy_row(struct copy *c, const struct page *p, uint32_t row)
{
    struct message msg;
    page_get(p, row, &msg);
    struct uid from = msg.uid;
    msg.flags = translate_flags(c, msg.flags);
    msg.savedate_s = c->now_s;
    msg.modseq = c->modseq;
    TRY(draft_append(c->to, c->d, &msg));
    vec_push(&c->d->taken, msg.body_id);
    if (c->on_pair != NULL) {
        c->on_pair(c->owner, (struct copy_pair){from, msg.uid});
    }
    return ERR_OK;
}

static enum err copy_page(struct copy *c, struct page *p, struct pick *pick)
{
    if (!pick_may_have(pick, p->uids[0], p->uids[p->count - 1])) {
        return ERR_OK;
    }
    TRY(draft_load_cold(c->from, p));
    for (uint32_t row = 0; row < p->count && p->uids[row] < c->end_uid; row++) {
        if (pick_has(pick, p->uids[row])) {
            TRY(copy_row(c, p, row));
        }
    }
    return ERR_OK;
}

static enum err copy_all(struct copy *c, struct draft *source)
{
    struct pick pick = {c->uids, 0};
    for (size_t i = 0; i < source->pages.count; i++) {
        /* Copying within one mailbox may replace its last page while we read it. */
        struct page *p = page_ref(source->pages.at[i]);
        enum err result = p->uids[0] < c->end_uid ? copy_page(c, p, &pick) : ERR_OK;
        page_unref(&p);
        TRY(result);
    }
    if (!c->is_move) {
        return ERR_OK;
    }
    struct numset moved = NUMSET_INIT;
    numset_copy(&moved, c->uids);
    numset_remove(&moved, c->end_uid, UINT32_MAX);
    enum err result = draft_expunge(c->from, source, &moved, false, NULL);
    numset_release(&moved);
    return result;
}

enum err mailbox_copy(struct mailbox *m, const struct numset *uids, struct mailbox *to,
                      bool is_move, void (*on_pair)(void *owner, struct copy_pair p), void *owner)
{
    struct draft *source;
    struct copy c = {
        .from = m, .to = to, .uids = uids, .is_move = is_move, .on_pair = on_pair, .owner = owner};
    TRY(begin(m, &source));
    TRY(draft_begin(to, &c.d));
    uint64_t count = 0;
    uint64_t flags = gather_flags(source, uids, &count);
    if (count == 0) {
        return ERR_OK;
    }
    if (count >= UINT32_MAX - (uint64_t)c.d->uidnext) {
        return ERR_LIMIT;
    }
    TRY(check_room(&c, source, count));
    TRY(map_keywords(&c, flags));
    struct account *a = m->account;
    c.end_uid = source->uidnext;
    c.modseq = account_next_modseq(a);
    c.now_s = (int64_t)(store_get_now_ms(a->store) / 1000);
    enum err result = copy_all(&c, source);
    if (result != ERR_OK) {
        return account_poison(a, result);
    }
    a->must_sync = true;
    mailbox_mark_changed(to);
    if (is_move) {
        mailbox_mark_changed(m);
    }
    return ERR_OK;
}
