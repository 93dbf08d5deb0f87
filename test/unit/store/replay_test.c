/* Random operations beside a model so simple that it must be right: arrays, copied whole.
 *
 * Each seed plays some hundred steps: append, flags, conditional flags, expunge, copy, move, create, delete, rename,
 * ticks. After each commit the store must show what the model has; each old view that was kept must differ from the new one
 * by what a naive comparison says, and its messages must still be readable; expunged UIDs since any kept modseq must be exact.
 * Now and then all is closed and opened again. */
#include "store_fixture.h"

#include <stdio.h>

enum { BOXES = 5, MESSAGES_MOST = 3000, KEPT = 4, SEEDS = 12, STEPS = 250 };

struct model_message {
    uint32_t uid;
    unsigned n; /* which message */
    uint64_t flags;
    uint64_t modseq; /* as last seen; 0: not yet */
};

struct gone {
    uint32_t uid;
    uint64_t after; /* HIGHESTMODSEQ before it went */
};

struct box {
    bool exists;
    struct mailbox *mailbox; /* held */
    struct model_message at[MESSAGES_MOST];
    size_t count;
    uint32_t uidnext;
    uint32_t uidvalidity;
    uint64_t highest; /* as of the last commit */
    struct gone gone[4 * MESSAGES_MOST];
    size_t gone_count;
    struct view *kept[KEPT];
    unsigned kept_n[KEPT]; /* the model's message number of a message in it, and where */
    uint32_t kept_seq[KEPT];
};

struct world {
    struct fixture f;
    struct box boxes[BOXES];
    struct buf octets;
    uint64_t random;
    unsigned next_n;
};

static const char *const NAMES[BOXES] = {"INBOX", "Archive", "One", "Two", "One/Deep"};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((w->random >> 33) % below);
}

static struct box *draw_box(struct world *w)
{
    struct box *b;
    do {
        b = &w->boxes[draw(w, BOXES)];
    } while (!b->exists);
    return b;
}

static void draw_set(struct world *w, const struct box *b, struct numset *set)
{
    numset_clear(set);
    for (uint32_t i = 1 + draw(w, 4); i > 0; i--) {
        uint32_t first = 1 + draw(w, b->uidnext);
        uint32_t length = draw(w, 10) == 0 ? 400 : draw(w, 12);
        numset_add(set, first, first + length);
    }
}

/* ---- operations on both ---- */

static void model_add(struct box *b, unsigned n, uint64_t flags)
{
    assert_true(b->count < MESSAGES_MOST);
    b->at[b->count++] = (struct model_message){b->uidnext++, n, flags, 0};
}

static void model_remove(struct box *b, size_t i)
{
    assert_true(b->gone_count < 4 * MESSAGES_MOST);
    b->gone[b->gone_count++] = (struct gone){b->at[i].uid, b->highest};
    memmove(&b->at[i], &b->at[i + 1], (b->count - i - 1) * sizeof(b->at[0]));
    b->count--;
}

static void play_append(struct world *w)
{
    struct box *b = draw_box(w);
    uint32_t many = draw(w, 8) == 0 ? 200 : 1 + draw(w, 4);
    for (uint32_t i = 0; i < many && b->count + 1 < MESSAGES_MOST / 4; i++) {
        uint64_t flags = draw(w, 32);
        size_t size = draw(w, 100) == 0 ? 70000 : 60 + draw(w, 300);
        struct uid uid =
            fixture_append(b->mailbox, fixture_message(&w->octets, w->next_n, size), flags);
        assert_int_equal(uid.v, b->uidnext);
        model_add(b, w->next_n++, flags);
    }
}

static uint64_t model_flags(enum flag_op op, uint64_t old, uint64_t flags)
{
    if (op == FLAG_OP_SET) {
        return flags;
    }
    return op == FLAG_OP_ADD ? old | flags : old & ~flags;
}

static void play_flags(struct world *w)
{
    struct box *b = draw_box(w);
    struct numset set = NUMSET_INIT;
    struct numset modified = NUMSET_INIT;
    draw_set(w, b, &set);
    enum flag_op op = (enum flag_op)draw(w, 3);
    uint64_t flags = draw(w, 32);
    bool is_conditional = draw(w, 3) == 0;
    uint64_t since = is_conditional ? b->highest - draw(w, 5) % (b->highest + 1) : UINT64_MAX;
    assert_int_equal(mailbox_store_flags(b->mailbox, &set, op, flags, since, &modified), ERR_OK);
    for (size_t i = 0; i < b->count; i++) {
        struct model_message *m = &b->at[i];
        if (!numset_has(&set, m->uid)) {
            continue;
        }
        bool is_newer = is_conditional && (m->modseq == 0 || m->modseq > since);
        assert_int_equal(numset_has(&modified, m->uid), is_newer);
        uint64_t now = model_flags(op, m->flags, flags);
        if (!is_newer && now != m->flags) {
            m->flags = now;
            m->modseq = 0;
        }
    }
    numset_release(&set);
    numset_release(&modified);
}

static void play_expunge(struct world *w)
{
    struct box *b = draw_box(w);
    struct numset set = NUMSET_INIT;
    struct numset removed = NUMSET_INIT;
    draw_set(w, b, &set);
    bool only_deleted = draw(w, 2) == 0;
    assert_int_equal(mailbox_expunge(b->mailbox, &set, only_deleted, &removed), ERR_OK);
    uint64_t count = 0;
    for (size_t i = 0; i < b->count;) {
        const struct model_message *m = &b->at[i];
        if (numset_has(&set, m->uid) && (!only_deleted || (m->flags & FLAG_DELETED) != 0)) {
            assert_true(numset_has(&removed, m->uid));
            count++;
            model_remove(b, i);
            continue;
        }
        i++;
    }
    assert_int_equal(numset_get_count(&removed), count);
    numset_release(&set);
    numset_release(&removed);
}

struct expected_pairs {
    struct box *from;
    struct box *to;
    const struct numset *set;
    size_t at;
    size_t end;
};

static void on_pair(void *owner, struct copy_pair p)
{
    struct expected_pairs *e = owner;
    while (e->at < e->end && !numset_has(e->set, e->from->at[e->at].uid)) {
        e->at++;
    }
    assert_true(e->at < e->end);
    assert_int_equal(p.from.v, e->from->at[e->at].uid);
    assert_int_equal(p.to.v, e->to->uidnext);
    model_add(e->to, e->from->at[e->at].n, e->from->at[e->at].flags);
    e->at++;
}

static void play_copy(struct world *w)
{
    struct box *from = draw_box(w);
    struct box *to = draw_box(w);
    bool is_move = draw(w, 2) == 0;
    struct numset set = NUMSET_INIT;
    draw_set(w, from, &set);
    struct expected_pairs e = {from, to, &set, 0, from->count};
    if (to->count < MESSAGES_MOST / 4) {
        assert_int_equal(mailbox_copy(from->mailbox, &set, to->mailbox, is_move, on_pair, &e),
                         ERR_OK);
        size_t left = e.end;
        for (size_t i = 0; is_move && i < left;) {
            if (numset_has(&set, from->at[i].uid)) {
                model_remove(from, i);
                left--;
                continue;
            }
            i++;
        }
    }
    numset_release(&set);
}

/* ---- comparing ---- */

static void check_expunged(struct box *b, uint64_t since)
{
    struct numset got = NUMSET_INIT;
    struct numset want = NUMSET_INIT;
    assert_int_equal(mailbox_get_expunged(b->mailbox, since, &got), ERR_OK);
    for (size_t i = 0; i < b->gone_count; i++) {
        if (b->gone[i].after >= since) {
            numset_add(&want, b->gone[i].uid, b->gone[i].uid);
        }
    }
    assert_int_equal(got.count, want.count);
    if (got.count > 0) {
        assert_memory_equal(got.at, want.at, got.count * sizeof(*got.at));
    }
    numset_release(&got);
    numset_release(&want);
}

static void check_diff(struct view *x, struct view *y)
{
    struct diff d;
    struct diff_item item;
    diff_init(&d, x, y);
    uint32_t i = 1;
    uint32_t k = 1;
    uint32_t xs = x == NULL ? 0 : view_get_count(x);
    while (i <= xs || k <= view_get_count(y)) {
        struct message a = {.uid = {UINT32_MAX}};
        struct message b = {.uid = {UINT32_MAX}};
        if (i <= xs) {
            view_get_hot(x, (struct seq){i}, &a);
        }
        if (k <= view_get_count(y)) {
            view_get_hot(y, (struct seq){k}, &b);
        }
        if (a.uid.v == b.uid.v && a.flags == b.flags && a.modseq == b.modseq) {
            i++;
            k++;
            continue;
        }
        assert_true(diff_next(&d, &item));
        enum diff_kind kind = a.uid.v < b.uid.v   ? DIFF_EXPUNGED
                              : a.uid.v > b.uid.v ? DIFF_ADDED
                                                  : DIFF_CHANGED;
        assert_int_equal(item.kind, kind);
        assert_int_equal(item.uid.v, kind == DIFF_EXPUNGED ? a.uid.v : b.uid.v);
        assert_int_equal(item.seq.v, kind == DIFF_EXPUNGED ? i : k);
        i += kind != DIFF_ADDED;
        k += kind != DIFF_EXPUNGED;
    }
    assert_false(diff_next(&d, &item));
}

static void check_body(struct world *w, struct view *v, uint32_t seq, unsigned n)
{
    struct message m;
    struct body_reader *r;
    struct str got;
    assert_int_equal(view_get(v, (struct seq){seq}, &m), ERR_OK);
    assert_int_equal(body_reader_new(w->f.account, m.body_id, &r), ERR_OK);
    assert_int_equal(body_reader_get(r, 0, m.size, &got), ERR_OK);
    assert_str(got, fixture_message(&w->octets, n, m.size + 20));
    body_reader_free(&r);
    struct str shape;
    assert_int_equal(account_get_shape(w->f.account, m.body_id, &shape), ERR_OK);
}

/* A view made again from its mark differs from the committed one as the view itself does. */
static void check_rebuilt(struct box *b, struct view *x, struct view *y)
{
    struct view *again = NULL;
    struct view_mark mark;
    const struct numset none = NUMSET_INIT;
    view_get_mark(x, &mark);
    assert_int_equal(mailbox_rebuild_view(b->mailbox, &mark, &none, &again), ERR_OK);
    check_diff(again, y);
    struct diff want;
    struct diff got;
    struct diff_item item;
    struct diff_item other;
    diff_init(&want, x, y);
    diff_init(&got, again, y);
    while (diff_next(&want, &item)) {
        assert_true(diff_next(&got, &other));
        assert_int_equal(item.kind, other.kind);
        assert_int_equal(item.seq.v, other.seq.v);
        assert_int_equal(item.uid.v, other.uid.v);
    }
    assert_false(diff_next(&got, &other));
    for (uint32_t seq = 1; seq <= view_get_count(again); seq++) {
        struct message m;
        enum err e = view_get(again, (struct seq){seq}, &m);
        bool is_there = view_find_uid(y, m.uid).v != 0;
        assert_int_equal(e, is_there ? ERR_OK : ERR_NOT_FOUND);
        assert_true(m.modseq <= mark.highestmodseq);
    }
    view_unref(&again);
}

/* What is left out is not there; a mark that does not fit is found out. */
static void check_left_out(struct box *b, struct view *x)
{
    struct view *again = NULL;
    struct view_mark mark;
    struct numset gone = NUMSET_INIT;
    view_get_mark(x, &mark);
    assert_int_equal(mailbox_get_expunged(b->mailbox, mark.highestmodseq, &gone), ERR_OK);
    numset_remove(&gone, mark.uidnext, UINT32_MAX);
    if (!numset_is_empty(&gone)) {
        assert_int_equal(mailbox_rebuild_view(b->mailbox, &mark, &gone, &again), ERR_CORRUPT);
        mark.count -= (uint32_t)numset_get_count(&gone);
        assert_int_equal(mailbox_rebuild_view(b->mailbox, &mark, &gone, &again), ERR_OK);
        assert_int_equal(view_find_uid(again, (struct uid){gone.at[0].first}).v, 0);
        view_unref(&again);
    }
    numset_release(&gone);
    mark.uidvalidity++;
    assert_int_equal(mailbox_rebuild_view(b->mailbox, &mark, &gone, &again), ERR_NO_MAILBOX);
}

static void check_kept(struct world *w, struct box *b, struct view *v)
{
    for (size_t i = 0; i < KEPT; i++) {
        if (b->kept[i] == NULL) {
            continue;
        }
        check_diff(b->kept[i], v);
        check_rebuilt(b, b->kept[i], v);
        check_left_out(b, b->kept[i]);
        check_expunged(b, view_get_highestmodseq(b->kept[i]));
        if (b->kept_seq[i] != 0) {
            check_body(w, b->kept[i], b->kept_seq[i], b->kept_n[i]);
        }
    }
    if (draw(w, 3) == 0) {
        size_t slot = draw(w, KEPT);
        view_unref(&b->kept[slot]);
        b->kept[slot] = view_ref(v);
        b->kept_seq[slot] = b->count == 0 ? 0 : 1 + draw(w, (uint32_t)b->count);
        b->kept_n[slot] = b->count == 0 ? 0 : b->at[b->kept_seq[slot] - 1].n;
    }
}

static void check_message(struct box *b, struct view *v, uint32_t i, uint64_t before)
{
    struct message m;
    struct model_message *want = &b->at[i];
    view_get_hot(v, (struct seq){i + 1}, &m);
    assert_int_equal(m.uid.v, want->uid);
    assert_int_equal(m.flags, want->flags);
    if (want->modseq == 0) {
        assert_true(m.modseq > before);
    } else {
        assert_int_equal(m.modseq, want->modseq);
    }
    assert_true(m.modseq <= view_get_highestmodseq(v));
    want->modseq = m.modseq;
}

static void check_view(struct box *b, struct view *v)
{
    uint32_t unseen = 0;
    uint32_t first_unseen = 0;
    assert_int_equal(view_get_count(v), b->count);
    assert_int_equal(view_get_uidnext(v).v, b->uidnext);
    for (uint32_t i = 0; i < b->count; i++) {
        bool is_unseen = (b->at[i].flags & FLAG_SEEN) == 0;
        check_message(b, v, i, b->highest);
        unseen += is_unseen;
        first_unseen = first_unseen == 0 && is_unseen ? i + 1 : first_unseen;
        assert_int_equal(view_find_uid(v, (struct uid){b->at[i].uid}).v, i + 1);
        assert_int_equal(view_find_uid_from(v, (struct uid){b->at[i].uid + 1}).v, i + 2);
    }
    assert_int_equal(view_get_unseen_count(v), unseen);
    assert_int_equal(view_get_first_unseen(v).v, first_unseen);
}

static void check_box(struct world *w, struct box *b)
{
    struct view *v = fixture_view(b->mailbox);
    check_view(b, v);
    assert_true(view_get_highestmodseq(v) >= b->highest);
    b->highest = view_get_highestmodseq(v);
    if (b->uidvalidity != 0) {
        assert_int_equal(view_get_uidvalidity(v), b->uidvalidity);
    }
    b->uidvalidity = view_get_uidvalidity(v);
    if (b->count > 0) {
        uint32_t i = draw(w, (uint32_t)b->count);
        check_body(w, v, i + 1, b->at[i].n);
    }
    check_kept(w, b, v);
}

static void check_all(struct world *w)
{
    assert_int_equal(fixture_commit(&w->f), ERR_OK);
    for (size_t i = 0; i < BOXES; i++) {
        if (w->boxes[i].exists) {
            check_box(w, &w->boxes[i]);
        }
    }
}

/* ---- mailboxes ---- */

static void let_go(struct box *b)
{
    for (size_t i = 0; i < KEPT; i++) {
        view_unref(&b->kept[i]);
    }
    mailbox_unref(&b->mailbox);
}

static void attach(struct world *w)
{
    for (size_t i = 0; i < BOXES; i++) {
        if (w->boxes[i].exists) {
            w->boxes[i].mailbox = fixture_find(w->f.account, NAMES[i]);
        }
    }
}

static void play_mailboxes(struct world *w)
{
    struct box *b = &w->boxes[2 + draw(w, BOXES - 2)];
    struct str name = str_from_c(NAMES[b - w->boxes]);
    check_all(w);
    if (!b->exists) {
        bool has_parent = w->boxes[2].exists;
        assert_int_equal(account_create_mailbox(w->f.account, name, USE_NONE), ERR_OK);
        check_all(w);
        if (b == &w->boxes[4] && !has_parent) {
            w->boxes[2] = (struct box){.exists = true, .uidnext = 1};
            w->boxes[2].mailbox = fixture_find(w->f.account, NAMES[2]);
        }
        uint32_t old = b->uidvalidity;
        *b = (struct box){.exists = true, .uidnext = 1};
        b->mailbox = fixture_find(w->f.account, NAMES[b - w->boxes]);
        assert_true(view_get_uidvalidity(fixture_view(b->mailbox)) > old);
    } else if (b->count > 60 && draw(w, 2) == 0) {
        assert_int_equal(account_delete_mailbox(w->f.account, name), ERR_OK);
        assert_int_equal(fixture_commit(&w->f), ERR_OK);
        assert_true(mailbox_is_deleted(b->mailbox));
        let_go(b);
        b->exists = false;
    }
    check_all(w);
}

static void reopen(struct world *w)
{
    check_all(w);
    for (size_t i = 0; i < BOXES; i++) {
        let_go(&w->boxes[i]);
    }
    fixture_reopen(&w->f);
    attach(w);
    fixture_verify(w->f.account);
}

static void step(struct world *w)
{
    switch (draw(w, 14)) {
    case 0:
    case 1:
    case 2:
        play_append(w);
        break;
    case 3:
    case 4:
    case 5:
        play_flags(w);
        break;
    case 6:
    case 7:
        play_expunge(w);
        break;
    case 8:
    case 9:
        play_copy(w);
        break;
    case 10:
        play_mailboxes(w);
        break;
    case 11:
        w->f.now_ms += draw(w, 400);
        (void)store_tick(w->f.store);
        break;
    default:
        check_all(w);
        break;
    }
}

static void play(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->random = seed;
    w->octets = BUF_INIT(1 << 20);
    fixture_open(&w->f);
    for (size_t i = 0; i < BOXES; i++) {
        w->boxes[i] = (struct box){.exists = i < 2, .uidnext = 1};
    }
    attach(w);
    for (unsigned i = 1; i <= STEPS; i++) {
        step(w);
        if (i % 60 == 0) {
            reopen(w);
        }
    }
    reopen(w);
    for (size_t i = 0; i < BOXES; i++) {
        let_go(&w->boxes[i]);
    }
    for (unsigned i = 0; i < 40; i++) {
        w->f.now_ms += 300;
        (void)store_tick(w->f.store);
    }
    fixture_verify(w->f.account);
    buf_release(&w->octets);
    fixture_close(&w->f);
    free(w);
}

static void test_replay(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= unit_rounds(SEEDS); seed++) {
        play(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
