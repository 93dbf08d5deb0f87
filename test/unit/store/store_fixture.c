/* What the store's tests share. */
#include "store_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t get_now(void *owner)
{
    const struct fixture *f = owner;
    return f->now_ms;
}

static void start(struct fixture *f)
{
    assert_int_equal(store_new(&f->config, &f->store), ERR_OK);
    assert_int_equal(store_open_account(f->store, STR("ann"), true, &f->account), ERR_OK);
    assert_int_equal(account_find_mailbox(f->account, STR("INBOX"), &f->inbox), ERR_OK);
}

static void stop(struct fixture *f)
{
    mailbox_unref(&f->inbox);
    account_unref(&f->account);
    store_free(&f->store);
}

void fixture_open(struct fixture *f)
{
    struct store_config config = f->config;
    *f = (struct fixture){.now_ms = 1700000000000};
    bool has_memory = access("/dev/shm", W_OK | X_OK) == 0;
    (void)snprintf(f->dir, sizeof(f->dir), "%s/limetta-store-XXXXXX",
                   has_memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->config = config;
    f->config.dir = str_from_c(f->dir);
    f->config.now_ms = get_now;
    f->config.now_owner = f;
    start(f);
}

void fixture_adopt(struct fixture *f, const char *dir)
{
    *f = (struct fixture){.now_ms = 1700000000000};
    (void)snprintf(f->dir, sizeof(f->dir), "%s", dir);
    f->config.dir = str_from_c(f->dir);
    f->config.now_ms = get_now;
    f->config.now_owner = f;
    start(f);
}

void fixture_reopen(struct fixture *f)
{
    stop(f);
    f->now_ms += 1000;
    start(f);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void fixture_close(struct fixture *f)
{
    stop(f);
    (void)nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct heard {
    struct commit_wait wait;
    bool is_heard;
    enum err err;
};

static void on_commit(struct commit_wait *w, enum err e)
{
    struct heard *h = (struct heard *)(void *)w;
    h->is_heard = true;
    h->err = e;
}

enum err fixture_commit(struct fixture *f)
{
    struct heard h = {.wait = {.on_commit = on_commit}};
    account_wait_commit(f->account, &h.wait);
    store_commit(f->store);
    assert_true(h.is_heard);
    return h.err;
}

struct str fixture_message(struct buf *out, unsigned n, size_t size)
{
    buf_clear(out);
    buf_addf(out, "From: a%u@example.org\r\nSubject: Number %u\r\nMIME-Version: 1.0\r\n\r\n", n, n);
    for (unsigned line = 0; out->len + 40 < size; line++) {
        buf_addf(out, "Line %u of message %u.\r\n", line, n);
    }
    return buf_str(out);
}

struct uid fixture_append(struct mailbox *m, struct str octets, uint64_t flags)
{
    struct body_writer *w;
    struct uid uid = {0};
    struct append_args args = {.flags = flags, .internaldate_s = 1600000000};
    assert_int_equal(body_writer_new(mailbox_get_account(m), &w), ERR_OK);
    assert_int_equal(body_writer_add(w, octets), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(m, w, &args, &uid), ERR_OK);
    body_writer_free(&w);
    return uid;
}

struct mailbox *fixture_find(struct account *a, const char *name)
{
    struct mailbox *m = NULL;
    assert_int_equal(account_find_mailbox(a, str_from_c(name), &m), ERR_OK);
    return m;
}

struct view *fixture_view(struct mailbox *m)
{
    struct view *v = NULL;
    assert_int_equal(mailbox_get_view(m, &v), ERR_OK);
    return v;
}

static void on_problem(void *owner, const char *line)
{
    (void)owner;
    print_error("verify: %s\n", line);
}

void fixture_verify(struct account *a)
{
    assert_int_equal(account_verify(a, on_problem, NULL), ERR_OK);
}
