/* Random use of a store with a model beside it. The mailboxes' names are few and fixed; the model is copied whole for each
 * turn, so undoing a turn that failed is forgetting the copy. */
#include "mail_model.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct str NAMES[MODEL_BOXES] = {
    {"INBOX", 5}, {"Archive", 7}, {"Work", 4}, {"Play", 4}, {"Old/Inbox", 9},
};

uint32_t mill_draw(struct mill *m, uint32_t below)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((m->random >> 33) % below);
}

static uint64_t get_now(void *owner)
{
    const struct mill *m = owner;
    return m->now_ms;
}

enum err mill_make_dir(char dir[static MILL_DIR_SIZE])
{
    bool has_memory = access("/dev/shm", W_OK | X_OK) == 0;
    (void)snprintf(dir, MILL_DIR_SIZE, "%s/limetta-fault-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) != NULL ? ERR_OK : ERR_IO;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void mill_remove_dir(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

enum err mill_open(struct mill *m, const char *dir)
{
    const struct store_config config = {
        .dir = str_from_c(dir), .now_ms = get_now, .now_owner = m, .inline_most = 8192};
    if (m->now_ms == 0) {
        m->now_ms = UINT64_C(1700000000000);
    }
    TRY(store_new(&config, &m->store));
    enum err result = store_open_account(m->store, STR("ann"), true, &m->account);
    if (result == ERR_OK) {
        result = model_read(m->account, &m->now);
    }
    if (result != ERR_OK) {
        mill_close(m);
    }
    return result;
}

void mill_close(struct mill *m)
{
    account_unref(&m->account);
    store_free(&m->store);
}

/* ---- reading ---- */

static enum err read_message(struct account *a, struct view *v, uint32_t seq,
                             struct model_message *out)
{
    struct message msg;
    struct body_reader *r;
    struct str octets;
    TRY(view_get(v, (struct seq){seq}, &msg));
    TRY(body_reader_new(a, msg.body_id, &r));
    enum err result = body_reader_get(r, 0, msg.size, &octets);
    *out = (struct model_message){msg.uid.v, msg.flags, result == ERR_OK ? str_hash(octets) : 0};
    body_reader_free(&r);
    struct str shape;
    return result == ERR_OK ? account_get_shape(a, msg.body_id, &shape) : result;
}

static enum err read_view(struct account *a, struct view *v, struct model_box *b)
{
    b->exists = true;
    b->uidnext = view_get_uidnext(v).v;
    b->count = view_get_count(v);
    assert(b->count <= MODEL_MESSAGES_MOST);
    for (uint32_t seq = 1; seq <= b->count; seq++) {
        TRY(read_message(a, v, seq, &b->at[seq - 1]));
    }
    return ERR_OK;
}

enum err model_read(struct account *a, struct model *out)
{
    *out = (struct model){0};
    for (size_t i = 0; i < MODEL_BOXES; i++) {
        struct mailbox *m;
        struct view *v;
        out->boxes[i].name = NAMES[i];
        enum err result = account_find_mailbox(a, NAMES[i], &m);
        if (result == ERR_NO_MAILBOX) {
            continue;
        }
        TRY(result);
        result = mailbox_get_view(m, &v);
        if (result == ERR_OK) {
            result = read_view(a, v, &out->boxes[i]);
        }
        mailbox_unref(&m);
        TRY(result);
    }
    return ERR_OK;
}

uint64_t model_get_digest(const struct model *x)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < MODEL_BOXES; i++) {
        const struct model_box *b = &x->boxes[i];
        if (!b->exists) {
            continue;
        }
        digest += str_hash(b->name);
        for (size_t k = 0; k < b->count; k++) {
            char line[120];
            int n =
                snprintf(line, sizeof(line), "%.*s %u %llx %llx", STR_ARG(b->name), b->at[k].uid,
                         (unsigned long long)b->at[k].flags, (unsigned long long)b->at[k].hash);
            digest += str_hash(str_make(line, (size_t)n));
        }
    }
    return digest;
}

uint64_t mill_get_modseq(struct mill *m)
{
    uint64_t most = 0;
    for (size_t i = 0; i < MODEL_BOXES; i++) {
        struct mailbox *x;
        struct view *v;
        if (account_find_mailbox(m->account, NAMES[i], &x) != ERR_OK) {
            continue;
        }
        if (mailbox_get_view(x, &v) == ERR_OK && view_get_highestmodseq(v) > most) {
            most = view_get_highestmodseq(v);
        }
        mailbox_unref(&x);
    }
    return most;
}

static void on_problem(void *owner, const char *line)
{
    (void)owner;
    (void)fprintf(stderr, "verify: %s\n", line);
}

enum err mill_verify(struct mill *m)
{
    return account_verify(m->account, on_problem, NULL);
}

/* ---- playing ---- */

static struct model_box *draw_box(struct mill *m)
{
    struct model_box *b;
    do {
        b = &m->next.boxes[mill_draw(m, MODEL_BOXES)];
    } while (!b->exists);
    return b;
}

/* One or a few messages that are there. */
static void draw_set(struct mill *m, const struct model_box *b, struct numset *set)
{
    for (uint32_t i = 1 + mill_draw(m, 3); i > 0; i--) {
        uint32_t first = b->count == 0 ? 1 : b->at[mill_draw(m, (uint32_t)b->count)].uid;
        numset_add(set, first, first + mill_draw(m, 6));
    }
}

static void remove_picked(struct model_box *b, const struct numset *set, size_t end)
{
    size_t to = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (i >= end || !numset_has(set, b->at[i].uid)) {
            b->at[to++] = b->at[i];
        }
    }
    b->count = to;
}

static enum err append_one(struct mill *m, struct mailbox *x, struct model_box *b)
{
    struct buf octets = BUF_INIT(1 << 20);
    size_t size = mill_draw(m, 6) == 0 ? 9000 + mill_draw(m, 60000) : 200 + mill_draw(m, 3000);
    buf_addf(&octets, "Subject: %u\r\n\r\n", mill_draw(m, 1000000));
    while (octets.len < size) {
        buf_addf(&octets, "%u ", mill_draw(m, 1000000));
    }
    struct body_writer *w;
    struct uid uid = {0};
    const struct append_args args = {.flags = mill_draw(m, 8)};
    enum err result = body_writer_new(m->account, &w);
    assert(result == ERR_OK);
    result = body_writer_add(w, buf_str(&octets));
    result = result == ERR_OK ? body_writer_finish(w) : result;
    result = result == ERR_OK ? mailbox_append(x, w, &args, &uid) : result;
    body_writer_free(&w);
    if (result == ERR_OK) {
        assert(uid.v == b->uidnext);
        b->at[b->count++] =
            (struct model_message){b->uidnext++, args.flags, str_hash(buf_str(&octets))};
    }
    buf_release(&octets);
    return result;
}

static enum err play_append(struct mill *m, struct mailbox *x, struct model_box *b)
{
    for (uint32_t i = 1 + mill_draw(m, 3); i > 0 && b->count < MODEL_MESSAGES_MOST / 3; i--) {
        TRY(append_one(m, x, b));
    }
    return ERR_OK;
}

static enum err play_flags(struct mill *m, struct mailbox *x, struct model_box *b)
{
    struct numset set = NUMSET_INIT;
    draw_set(m, b, &set);
    uint64_t flags = mill_draw(m, 32);
    enum err result = mailbox_store_flags(x, &set, FLAG_OP_SET, flags, UINT64_MAX, NULL);
    for (size_t i = 0; i < b->count; i++) {
        if (numset_has(&set, b->at[i].uid)) {
            b->at[i].flags = flags;
        }
    }
    numset_release(&set);
    return result;
}

static enum err play_expunge(struct mill *m, struct mailbox *x, struct model_box *b)
{
    struct numset set = NUMSET_INIT;
    draw_set(m, b, &set);
    enum err result = mailbox_expunge(x, &set, false, NULL);
    remove_picked(b, &set, b->count);
    numset_release(&set);
    return result;
}

static enum err play_copy(struct mill *m, struct mailbox *x, struct model_box *b, bool is_move)
{
    struct model_box *target = draw_box(m);
    struct numset set = NUMSET_INIT;
    struct mailbox *to;
    enum err result = account_find_mailbox(m->account, target->name, &to);
    if (result == ERR_NO_MAILBOX || target->count + b->count > MODEL_MESSAGES_MOST / 2) {
        if (result == ERR_OK) {
            mailbox_unref(&to);
        }
        return ERR_OK; /* it is made in this very turn */
    }
    TRY(result);
    draw_set(m, b, &set);
    size_t end = b->count;
    result = mailbox_copy(x, &set, to, is_move, NULL, NULL);
    for (size_t i = 0; i < end; i++) {
        if (numset_has(&set, b->at[i].uid)) {
            struct model_message copy = {target->uidnext++, b->at[i].flags, b->at[i].hash};
            target->at[target->count++] = copy;
        }
    }
    if (is_move) {
        remove_picked(b, &set, end);
    }
    numset_release(&set);
    mailbox_unref(&to);
    return result;
}

/* Work becomes Play and back; one is made when there is neither. */
static enum err play_rename(struct mill *m)
{
    struct model_box *work = &m->next.boxes[2];
    struct model_box *play = &m->next.boxes[3];
    struct model_box *from = work->exists ? work : play;
    struct model_box *to = work->exists ? play : work;
    if (work->exists && play->exists) {
        play->exists = false;
        play->count = 0;
        return account_delete_mailbox(m->account, play->name);
    }
    if (!from->exists) {
        work->exists = true;
        work->uidnext = 1;
        work->count = 0;
        return account_create_mailbox(m->account, work->name, USE_NONE);
    }
    struct str name = to->name;
    *to = *from;
    to->name = name;
    from->exists = false;
    from->count = 0;
    return account_rename_mailbox(m->account, from->name, to->name);
}

/* INBOX moves out, or what it became goes. */
static enum err play_inbox(struct mill *m)
{
    struct model_box *inbox = &m->next.boxes[0];
    struct model_box *old = &m->next.boxes[4];
    if (old->exists) {
        old->exists = false;
        old->count = 0;
        return account_delete_mailbox(m->account, old->name);
    }
    old->exists = true;
    old->uidnext = 1;
    for (size_t i = 0; i < inbox->count; i++) {
        old->at[i] = inbox->at[i];
        old->at[i].uid = old->uidnext++;
    }
    old->count = inbox->count;
    inbox->count = 0;
    return account_rename_mailbox(m->account, inbox->name, old->name);
}

static enum err play_in_mailbox(struct mill *m, unsigned kind)
{
    struct model_box *b = draw_box(m);
    struct mailbox *x;
    enum err result = account_find_mailbox(m->account, b->name, &x);
    if (result == ERR_NO_MAILBOX) {
        return ERR_OK; /* it is made in this very turn */
    }
    TRY(result);
    uint64_t before = model_get_digest(&m->next);
    if (kind <= 2) {
        result = play_append(m, x, b);
    } else if (kind == 3) {
        result = play_flags(m, x, b);
    } else if (kind == 4) {
        result = play_expunge(m, x, b);
    } else {
        result = play_copy(m, x, b, kind == 6);
    }
    m->has_only_flags &= kind == 3 || before == model_get_digest(&m->next);
    mailbox_unref(&x);
    return result;
}

enum err mill_play(struct mill *m, unsigned kind)
{
    m->next = m->now;
    m->has_only_flags = kind < 7;
    if (kind == 7) {
        return play_rename(m);
    }
    if (kind == 8) {
        return play_inbox(m);
    }
    for (uint32_t i = 1 + mill_draw(m, 2); i > 0; i--) {
        TRY(play_in_mailbox(m, kind));
        kind = kind != 3 && mill_draw(m, 3) == 0 ? mill_draw(m, 7) : kind;
    }
    return ERR_OK;
}

struct heard {
    struct commit_wait wait;
    enum err err;
};

static void on_commit(struct commit_wait *w, enum err e)
{
    ((struct heard *)(void *)w)->err = e;
}

enum err mill_commit(struct mill *m)
{
    struct heard h = {.wait = {.on_commit = on_commit}, .err = ERR_COUNT};
    account_wait_commit(m->account, &h.wait);
    store_commit(m->store);
    if (h.err == ERR_OK) {
        m->now = m->next;
    }
    return h.err;
}

void mill_tick(struct mill *m)
{
    m->now_ms += 500;
    (void)store_tick(m->store);
}
