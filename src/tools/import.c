/* limetta import: mail from a Maildir, an mbox file or a folder of .eml into an account.
 *
 *     limetta import --user NAME [--mailbox M] [--state DIR] PATH
 *
 * Messages go in by batches, one commit each; stop it at any time and run it again: what is there already is passed over
 * (known.h), so it goes on where it was. Octets, flags, keywords and dates are kept (source.h says what each kind of
 * source knows of them). A message that cannot be taken is named, counted, and does not stop the rest. */
#include "tools/tool.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "mime/shape.h"
#include "tools/known.h"
#include "tools/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH_MESSAGES = 256, BATCH_OCTETS = 16 * 1024 * 1024 };

static const char USAGE[] = "limetta import --user NAME [--mailbox M] [--state DIR] PATH";

/* One mailbox that is being filled. */
struct target {
    struct mailbox *mailbox;
    struct known *known;
};

struct import {
    struct store *store;
    struct account *account;
    struct str root;     /* mailbox for the source's root */
    struct map *targets; /* by mailbox name */
    struct progress progress;
    unsigned batch_count;
    uint64_t batch_octets;
    uint64_t added;
    uint64_t passed;
    uint64_t failed;
};

static enum err find_or_create(struct import *im, struct str name, struct mailbox **out)
{
    enum err e = account_find_mailbox(im->account, name, out);
    if (e != ERR_NO_MAILBOX) {
        return e;
    }
    TRY(account_create_mailbox(im->account, name, 0));
    TRY(account_set_subscribed(im->account, name, true));
    TRY(tool_commit(im->store, im->account));
    return account_find_mailbox(im->account, name, out);
}

static enum err open_target(struct import *im, struct str name, struct target **out)
{
    struct target *t = map_find(im->targets, name);
    if (t == NULL) {
        struct mailbox *m;
        struct known *k;
        TRY(find_or_create(im, name, &m));
        enum err e = known_new(m, &k);
        if (e != ERR_OK) {
            mailbox_unref(&m);
            return e;
        }
        t = calloc(1, sizeof(*t));
        if (t == NULL) {
            abort();
        }
        *t = (struct target){m, k};
        (void)map_put(im->targets, name, t);
    }
    *out = t;
    return ERR_OK;
}

/* Where a folder of the source goes: below the root mailbox, or beside INBOX. */
static void name_target(const struct import *im, struct str below, struct buf *name)
{
    bool is_root_inbox = str_eq_nocase(im->root, STR("INBOX"));
    if (below.n == 0 || !is_root_inbox) {
        buf_add(name, im->root);
    }
    if (below.n > 0) {
        buf_add(name, is_root_inbox ? STR_EMPTY : STR("/"));
        buf_add(name, below);
    }
}

static bool is_keyword(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL) {
            return false;
        }
    }
    return s.n > 0;
}

static enum err keyword_bits(struct mailbox *m, const struct source_message *message,
                             uint64_t *flags)
{
    for (unsigned i = 0; i < message->keyword_count; i++) {
        uint64_t bit = 0;
        if (is_keyword(message->keywords[i])) {
            TRY(mailbox_get_keyword(m, message->keywords[i], true, &bit));
        }
        *flags |= bit;
    }
    return ERR_OK;
}

/* The Date field's time, or now. */
static int64_t date_of(struct str octets)
{
    int64_t date_s = (int64_t)time(NULL);
    struct envelope envelope;
    CLEANUP(buf_release) struct buf shape = BUF_INIT(SIZE_MAX / 2);
    struct arena *a = arena_new(SIZE_MAX / 2);
    if (shape_build(octets, &shape) == ERR_OK
        && shape_parse_envelope(a, buf_str(&shape), &envelope) == ERR_OK
        && envelope.date_s != INT64_MIN) {
        date_s = envelope.date_s;
    }
    arena_free(&a);
    return date_s;
}

static enum err add_message(struct import *im, struct target *t, const struct source_message *m)
{
    struct append_args args = {.flags = m->flags, .internaldate_s = m->date_s};
    struct body_writer *w;
    struct uid uid;
    if (m->date_s == INT64_MIN) {
        args.internaldate_s = date_of(m->octets);
    }
    TRY(keyword_bits(t->mailbox, m, &args.flags));
    TRY(body_writer_new(im->account, &w));
    enum err e = body_writer_add(w, m->octets);
    if (e == ERR_OK) {
        e = body_writer_finish(w);
    }
    if (e == ERR_OK) {
        e = mailbox_append(t->mailbox, w, &args, &uid);
    }
    body_writer_free(&w);
    return e;
}

static enum err commit_batch(struct import *im)
{
    im->batch_count = 0;
    im->batch_octets = 0;
    return tool_commit(im->store, im->account);
}

/* Failures that concern one message, not the whole import. */
static bool is_about_message(enum err e)
{
    return e == ERR_TOO_BIG || e == ERR_LIMIT;
}

static enum err import_message(struct import *im, const struct source_message *m)
{
    struct target *t;
    bool is_known = false;
    CLEANUP(buf_release) struct buf name = BUF_INIT(MAILBOX_NAME_MOST * 2);
    name_target(im, m->mailbox, &name);
    TRY(open_target(im, buf_str(&name), &t));
    TRY(known_take(t->known, m->octets, &is_known));
    progress_add(&im->progress, m->octets.n);
    if (is_known) {
        im->passed++;
        return ERR_OK;
    }
    TRY(add_message(im, t, m));
    im->added++;
    im->batch_count++;
    im->batch_octets += m->octets.n;
    return im->batch_count >= BATCH_MESSAGES || im->batch_octets >= BATCH_OCTETS ? commit_batch(im)
                                                                                 : ERR_OK;
}

static enum err on_message(void *owner, const struct source_message *m)
{
    struct import *im = owner;
    enum err e = import_message(im, m);
    if (is_about_message(e)) {
        im->failed++;
        (void)tool_fail(EXIT_NOT_SO, "%.*s: %s; passed over", STR_ARG(m->path), tool_explain(e));
        return ERR_OK;
    }
    return e;
}

static enum err on_folder(void *owner, struct str mailbox)
{
    struct import *im = owner;
    struct target *t;
    CLEANUP(buf_release) struct buf name = BUF_INIT(MAILBOX_NAME_MOST * 2);
    name_target(im, mailbox, &name);
    enum err e = open_target(im, buf_str(&name), &t);
    if (e == ERR_MAILBOX_NAME) {
        (void)tool_fail(EXIT_NOT_SO, "%.*s: %s", STR_ARG(buf_str(&name)), tool_explain(e));
    }
    return e;
}

static void free_targets(struct import *im)
{
    size_t at = 0;
    struct str name;
    void *value;
    while (map_next(im->targets, &at, &name, &value)) {
        struct target *t = value;
        known_free(&t->known);
        mailbox_unref(&t->mailbox);
        free(t);
    }
    map_free(&im->targets);
}

static int run(struct import *im, const char *path, enum source_kind kind)
{
    uint64_t total = 0;
    struct source_sink sink = {.on_message = on_message, .on_folder = on_folder, .owner = im};
    enum err e = source_count(path, kind, &total);
    progress_start(&im->progress, "import", total);
    if (e == ERR_OK) {
        e = source_walk(path, kind, &sink);
    }
    if (e == ERR_OK) {
        e = commit_batch(im);
    }
    progress_end(&im->progress);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "import of %s stopped: %s; run it again to go on", path,
                         tool_explain(e));
    }
    (void)printf("imported %llu, already there %llu, not taken %llu\n",
                 (unsigned long long)im->added, (unsigned long long)im->passed,
                 (unsigned long long)im->failed);
    return im->failed > 0 ? EXIT_NOT_SO : EXIT_FINE;
}

int tool_import(int argc, char **argv)
{
    const char *user = NULL;
    const char *mailbox = "INBOX";
    const char *state = "state";
    struct tool_words words = {.most = 1};
    const struct tool_option options[] = {{"--user", &user, NULL},
                                          {"--mailbox", &mailbox, NULL},
                                          {"--state", &state, NULL},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (user == NULL || words.count != 1) {
        return tool_fail(EXIT_USAGE, "import needs a user and a path; usage: %s", USAGE);
    }
    const char *path = words.at[0];
    enum source_kind kind = source_detect(path);
    if (kind == SOURCE_NONE) {
        return tool_fail(EXIT_NOT_SO, "%s: no Maildir, mbox file or folder of .eml there", path);
    }
    code = tool_check_user(state, user);
    if (code != EXIT_FINE) {
        return code;
    }
    struct import im = {.root = str_from_c(mailbox)};
    enum err e = tool_open_store(state, &im.store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", state, tool_explain(e));
    }
    code = tool_open_account(im.store, user, true, &im.account);
    if (code == EXIT_FINE) {
        im.targets = map_new();
        code = run(&im, path, kind);
        free_targets(&im);
        account_unref(&im.account);
    }
    store_free(&im.store);
    return code;
}
