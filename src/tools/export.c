/* limetta export: an account, or one mailbox, to a Maildir.
 *
 *     limetta export --user NAME [--mailbox M] [--state DIR] DIR
 *
 * INBOX becomes DIR itself, mailbox A/B becomes DIR/A/B; each with cur, new, tmp. A file holds the message's octets just as
 * stored; its name says so (",S=size,W=size": no line end was changed), carries the flags, and its time of change is the
 * internal date. Keywords are letters, named in "dovecot-keywords". So an import of the export gives the same mail back.
 * What a Maildir cannot hold (a 27th keyword, a mailbox named "cur") is said and makes the exit code 1. */
#include "tools/tool.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LETTERS = 26, READ_SIZE = 64 * 1024 };

static const char USAGE[] = "limetta export --user NAME [--mailbox M] [--state DIR] DIR";

struct export
{
    struct account *account;
    const char *dir;
    struct progress progress;
    uint64_t not_whole; /* things that a Maildir cannot hold */
};

/* The folder that is being written. */
struct folder {
    struct export *ex;
    struct mailbox *mailbox;
    char path[PATH_MAX];
    unsigned letter_of[64]; /* keyword bit number to letter, LETTERS: has none */
};

static enum err make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : err_from_errno(errno);
}

static enum err make_below(const char *dir, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    return n < 0 || (size_t)n >= sizeof(path) ? ERR_TOO_LONG : make_dir(path);
}

static bool is_component_fine(struct str c)
{
    return c.n > 0 && c.p[0] != '.' && !str_eq(c, STR("cur")) && !str_eq(c, STR("new"))
           && !str_eq(c, STR("tmp"));
}

/* Makes the folder of a mailbox, with its parents; path gets its name. Errors: ERR_MAILBOX_NAME, ERR_IO. */
static enum err make_folder(struct folder *f, struct str name)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MAX - 1);
    buf_add_c(&path, f->ex->dir);
    TRY(make_dir(path.p));
    while (!str_eq(name, STR("INBOX")) && name.n > 0) {
        struct str component = str_split(&name, '/');
        if (!is_component_fine(component)) {
            return ERR_MAILBOX_NAME;
        }
        buf_add_char(&path, '/');
        buf_add(&path, component);
        TRY(buf_err(&path));
        TRY(make_dir(path.p));
    }
    memcpy(f->path, path.p, path.len + 1);
    TRY(make_below(f->path, "cur"));
    TRY(make_below(f->path, "new"));
    return make_below(f->path, "tmp");
}

static enum err write_all(int fd, struct str octets)
{
    while (octets.n > 0) {
        ssize_t n = write(fd, octets.p, octets.n);
        if (n < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        octets = str_skip(octets, n < 0 ? 0 : (size_t)n);
    }
    return ERR_OK;
}

static enum err write_keywords(struct folder *f)
{
    char path[PATH_MAX];
    unsigned letter = 0;
    CLEANUP(buf_release) struct buf text = BUF_INIT(64 * 1024);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct str name =
            bit < KEYWORD_FIRST ? STR_EMPTY : mailbox_get_keyword_name(f->mailbox, bit);
        f->letter_of[bit] = name.n > 0 && letter < LETTERS ? letter++ : LETTERS;
        if (f->letter_of[bit] < LETTERS) {
            buf_addf(&text, "%u %.*s\n", f->letter_of[bit], STR_ARG(name));
        } else if (name.n > 0) {
            f->ex->not_whole++;
            (void)tool_fail(EXIT_NOT_SO, "%s: no letter left for keyword %.*s", f->path,
                            STR_ARG(name));
        }
    }
    if (letter == 0) {
        return ERR_OK;
    }
    int n = snprintf(path, sizeof(path), "%s/dovecot-keywords", f->path);
    int fd = n < 0 || (size_t)n >= sizeof(path)
                 ? -1
                 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = write_all(fd, buf_str(&text));
    return close(fd) == 0 ? e : err_from_errno(errno);
}

static void add_flag_letters(const struct folder *f, uint64_t flags, struct buf *out)
{
    static const struct {
        char letter;
        uint64_t flag;
    } SYSTEM[] = {{'D', FLAG_DRAFT},
                  {'F', FLAG_FLAGGED},
                  {'R', FLAG_ANSWERED},
                  {'S', FLAG_SEEN},
                  {'T', FLAG_DELETED}};
    for (size_t i = 0; i < sizeof(SYSTEM) / sizeof(SYSTEM[0]); i++) {
        if ((flags & SYSTEM[i].flag) != 0) {
            buf_add_char(out, SYSTEM[i].letter);
        }
    }
    for (unsigned letter = 0; letter < LETTERS; letter++) {
        for (unsigned bit = KEYWORD_FIRST; bit < 64; bit++) {
            if (f->letter_of[bit] == letter && (flags >> bit & 1) != 0) {
                buf_add_char(out, (char)('a' + letter));
            }
        }
    }
}

static enum err write_body(struct body_reader *r, const struct message *m, int fd)
{
    enum err e = ERR_OK;
    for (uint64_t at = 0; at < body_reader_get_size(r) && e == ERR_OK;) {
        struct str piece;
        e = body_reader_get(r, at, READ_SIZE, &piece);
        if (e == ERR_OK && piece.n == 0) {
            e = ERR_CORRUPT;
        }
        if (e == ERR_OK) {
            e = write_all(fd, piece);
            at += piece.n;
        }
    }
    const struct timespec times[2] = {{.tv_sec = m->internaldate_s}, {.tv_sec = m->internaldate_s}};
    return e != ERR_OK || futimens(fd, times) == 0 ? e : err_from_errno(errno);
}

/* tmp first, then renamed: whoever reads the Maildir meanwhile never sees half a message. */
static enum err write_octets(struct folder *f, uint32_t uidvalidity, const struct message *m,
                             struct body_reader *r)
{
    unsigned long long size = body_reader_get_size(r);
    CLEANUP(buf_release) struct buf name = BUF_INIT(512);
    CLEANUP(buf_release) struct buf from = BUF_INIT(PATH_MAX - 1);
    CLEANUP(buf_release) struct buf to = BUF_INIT(PATH_MAX - 1);
    buf_addf(&name, "%lld.U%uV%u.limetta,S=%llu,W=%llu", (long long)m->internaldate_s, m->uid.v,
             uidvalidity, size, size);
    buf_addf(&from, "%s/tmp/%s", f->path, name.p);
    buf_addf(&to, "%s/cur/%s:2,", f->path, name.p);
    add_flag_letters(f, m->flags, &to);
    TRY(buf_err(&from));
    TRY(buf_err(&to));
    int fd = open(from.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = write_body(r, m, fd);
    if (close(fd) != 0 && e == ERR_OK) {
        e = err_from_errno(errno);
    }
    if (e == ERR_OK && rename(from.p, to.p) != 0) {
        e = err_from_errno(errno);
    }
    if (e != ERR_OK) {
        (void)unlink(from.p);
    }
    return e;
}

static enum err write_message(struct folder *f, uint32_t uidvalidity, const struct message *m)
{
    struct body_reader *r;
    TRY(body_reader_new(f->ex->account, m->body_id, &r));
    enum err e = write_octets(f, uidvalidity, m, r);
    body_reader_free(&r);
    return e;
}

static enum err export_view(struct folder *f, struct view *view)
{
    for (uint32_t i = 1; i <= view_get_count(view); i++) {
        struct message m;
        TRY(view_get(view, (struct seq){i}, &m));
        TRY(write_message(f, view_get_uidvalidity(view), &m));
        progress_add(&f->ex->progress, m.size);
    }
    return ERR_OK;
}

static enum err export_mailbox(struct export *ex, struct str name)
{
    struct folder f = {.ex = ex};
    struct view *view;
    TRY(account_find_mailbox(ex->account, name, &f.mailbox));
    enum err e = make_folder(&f, name);
    if (e == ERR_OK) {
        e = write_keywords(&f);
    }
    if (e == ERR_OK) {
        e = mailbox_get_view(f.mailbox, &view);
    }
    if (e == ERR_OK) {
        e = export_view(&f, view);
    }
    mailbox_unref(&f.mailbox);
    if (e == ERR_MAILBOX_NAME) {
        ex->not_whole++;
        (void)tool_fail(EXIT_NOT_SO, "mailbox %.*s: a Maildir cannot hold that name; left out",
                        STR_ARG(name));
        return ERR_OK;
    }
    return e;
}

static enum err count_messages(struct export *ex, const char *only, uint64_t *total)
{
    struct mailbox_info info;
    size_t at = 0;
    while (account_next_mailbox(ex->account, &at, &info)) {
        struct mailbox *m;
        struct view *view;
        if (!info.is_mailbox || (only != NULL && !str_eq(info.name, str_from_c(only)))) {
            continue;
        }
        TRY(account_find_mailbox(ex->account, info.name, &m));
        enum err e = mailbox_get_view(m, &view);
        *total += e == ERR_OK ? view_get_count(view) : 0;
        mailbox_unref(&m);
        TRY(e);
    }
    return ERR_OK;
}

static enum err export_all(struct export *ex, const char *only)
{
    struct mailbox_info info;
    size_t at = 0;
    if (only != NULL) {
        return export_mailbox(ex, str_from_c(only));
    }
    while (account_next_mailbox(ex->account, &at, &info)) {
        if (info.is_mailbox) {
            TRY(export_mailbox(ex, info.name));
        }
    }
    return ERR_OK;
}

static int run(struct export *ex, const char *only)
{
    uint64_t total = 0;
    enum err e = count_messages(ex, only, &total);
    progress_start(&ex->progress, "export", total);
    if (e == ERR_OK) {
        e = export_all(ex, only);
    }
    progress_end(&ex->progress);
    sync();
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "export to %s stopped: %s", ex->dir, tool_explain(e));
    }
    return ex->not_whole > 0 ? EXIT_NOT_SO : EXIT_FINE;
}

int tool_export(int argc, char **argv)
{
    const char *user = NULL;
    const char *mailbox = NULL;
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
        return tool_fail(EXIT_USAGE, "export needs a user and a folder; usage: %s", USAGE);
    }
    struct store *store;
    struct export ex = {.dir = words.at[0]};
    enum err e = tool_open_store(state, &store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", state, tool_explain(e));
    }
    code = tool_open_account(store, user, false, &ex.account);
    if (code == EXIT_FINE) {
        code = run(&ex, mailbox);
        account_unref(&ex.account);
    }
    store_free(&store);
    return code;
}
