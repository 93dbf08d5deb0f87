/* The outbox: what an account sends by itself leaves it in the same transaction that delivered the message which caused it. So after
 * a crash both are there or neither, and whoever carries items away does it again until it is noted here that it is done; who takes
 * them tells by the token what was taken before.
 *
 *     outbox: id, token, kind, due_ms, expires_ms, attempts, head, text, body, skip
 *         body   0, or a body with one reference more for this row; gaining and losing it goes through the release log (release.c)
 *
 * Marks: <accounts>/.outbox/<folder of the account> holds the user's name. It is on disk before the first row is committed, and goes
 * when the account rests with an empty outbox; between the two it may stand for nothing, never the other way round. */
#include "store/outbox.h"

#include "base/log.h"
#include "store/body.h"
#include "store/store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MOST = 4096, USER_MOST = 255 };

/* ---- marks ---- */

static void write_mark_folder(const struct store *s, struct buf *out)
{
    buf_addf(out, "%s/.outbox", s->dir);
}

/* Ends with NUL, within len. */
static void write_mark_path(const struct account *a, const char *prefix, struct buf *out)
{
    write_mark_folder(a->store, out);
    buf_addf(out, "/%s", prefix);
    store_write_folder_name(str_from_c(a->user), out);
    buf_add_char(out, '\0');
}

static enum err sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    if (fd >= 0) {
        (void)close(fd);
    }
    return e;
}

static enum err write_file(const char *path, struct str octets)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    ssize_t n = write(fd, octets.p, octets.n);
    enum err e = n < 0 ? err_from_errno(errno) : ERR_OK;
    e = e == ERR_OK && (size_t)n != octets.n ? ERR_NO_SPACE : e;
    e = e == ERR_OK && fsync(fd) != 0 ? err_from_errno(errno) : e;
    (void)close(fd);
    return e;
}

static enum err make_mark(struct account *a, const char *folder, const char *fresh,
                          const char *path)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return err_from_errno(errno);
    }
    enum err e = write_file(fresh, str_from_c(a->user));
    if (e == ERR_OK && rename(fresh, path) != 0) {
        e = err_from_errno(errno);
    }
    if (e == ERR_OK) {
        return sync_folder(folder);
    }
    (void)unlink(fresh);
    return e;
}

/* The mark is on disk. */
static enum err mark(struct account *a)
{
    if (a->has_outbox_mark) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf folder = BUF_INIT(PATH_MOST);
    CLEANUP(buf_release) struct buf fresh = BUF_INIT(PATH_MOST);
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MOST);
    write_mark_folder(a->store, &folder);
    buf_add_char(&folder, '\0');
    write_mark_path(a, ".new-", &fresh);
    write_mark_path(a, "", &path);
    if (buf_err(&folder) != ERR_OK || buf_err(&fresh) != ERR_OK || buf_err(&path) != ERR_OK) {
        return ERR_LIMIT;
    }
    enum err e = make_mark(a, folder.p, fresh.p, path.p);
    if (e != ERR_OK) {
        log_error("store: %s: cannot mark the outbox: %s", a->user, err_get_info(e)->meaning);
        return e;
    }
    a->has_outbox_mark = true;
    return ERR_OK;
}

void outbox_load(struct account *a)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MOST);
    write_mark_path(a, "", &path);
    a->has_outbox_mark = buf_err(&path) == ERR_OK && access(path.p, F_OK) == 0;
}

void outbox_rest(struct account *a)
{
    uint64_t count = 0;
    if (!a->has_outbox_mark || a->must_reload || account_count_outgoing(a, &count) != ERR_OK
        || count > 0) {
        return;
    }
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MOST);
    write_mark_path(a, "", &path);
    if (unlink(path.p) == 0 || errno == ENOENT) {
        a->has_outbox_mark = false;
    }
}

static void read_mark(const char *path, void (*on_user)(void *owner, struct str user), void *owner)
{
    char user[USER_MOST + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, user, sizeof(user)) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n > 0 && n <= USER_MOST) {
        on_user(owner, str_make(user, (size_t)n));
    }
}

enum err store_list_outgoing(struct store *s, void (*on_user)(void *owner, struct str user),
                             void *owner)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_MOST);
    write_mark_folder(s, &path);
    size_t folder = path.len;
    TRY(buf_err(&path));
    DIR *dir = opendir(path.p);
    if (dir == NULL) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    }
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        buf_truncate(&path, folder);
        buf_addf(&path, "/%s", d->d_name);
        if (d->d_name[0] != '.' && buf_err(&path) == ERR_OK) {
            read_mark(path.p, on_user, owner);
        }
    }
    (void)closedir(dir);
    return ERR_OK;
}

/* ---- rows ---- */

enum err account_count_outgoing(struct account *a, uint64_t *out)
{
    struct db *db;
    TRY(account_ready(a, &db));
    return DB_GET(db, OUTBOX_COUNT, out);
}

/* Notes in the release log that the body gains or loses a reference. */
static enum err note_reference(struct account *a, struct db *db, uint64_t body_id, int delta)
{
    CLEANUP(buf_release) struct buf id = BUF_INIT(sizeof(uint64_t));
    buf_add_le64(&id, body_id);
    a->has_releases = true;
    return DB_RUN(db, RELEASE_ADD, value_id(++a->release_seq), value_id(0), value_int(delta),
                  value_blob(buf_str(&id)));
}

static enum err add(struct account *a, struct db *db, const struct outbox_item *item,
                    struct body_writer *w)
{
    uint64_t body_id = item->body_id;
    bool is_first = false;
    TRY(account_begin_transaction(a, db));
    if (w != NULL) {
        TRY(body_writer_store(w, &body_id, &is_first));
    }
    if (body_id != 0 && !is_first) {
        TRY(note_reference(a, db, body_id, 1));
    }
    return DB_RUN(db, OUTBOX_ADD, value_int(item->kind), value_id(item->due_ms),
                  value_id(item->expires_ms), value_blob(item->head), value_blob(item->text),
                  value_id(body_id), value_id(item->skip));
}

enum err account_add_outgoing(struct account *a, const struct outbox_item *item,
                              struct body_writer *w)
{
    struct db *db;
    uint64_t count;
    TRY(account_begin_change(a, &db));
    TRY(account_count_outgoing(a, &count));
    if (count >= OUTBOX_MOST || item->head.n > OUTBOX_HEAD_MOST
        || item->text.n > OUTBOX_TEXT_MOST) {
        return ERR_LIMIT;
    }
    if (w != NULL) {
        TRY(body_writer_check(w));
    }
    TRY(mark(a));
    account_mark_dirty(a);
    enum err e = add(a, db, item, w);
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

/* Cuts the next n octets off. */
static struct str cut(struct str *s, size_t n)
{
    struct str head = str_sub(*s, 0, n);
    *s = str_skip(*s, n);
    return head;
}

enum err account_next_outgoing(struct account *a, struct outbox_item *out, struct buf *octets,
                               bool *has_item)
{
    struct db *db;
    struct rows rows;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, OUTBOX_NEXT, &rows));
    TRY(db_next(&rows, has_item));
    if (!*has_item) {
        return ERR_OK;
    }
    const size_t sizes[] = {row_str(&rows, 1).n, row_str(&rows, 6).n, row_str(&rows, 7).n};
    buf_clear(octets);
    buf_add(octets, row_str(&rows, 1));
    buf_add(octets, row_str(&rows, 6));
    buf_add(octets, row_str(&rows, 7));
    struct str all = buf_str(octets);
    *out = (struct outbox_item){
        .id = row_id(&rows, 0),
        .kind = (enum outbox_kind)row_int(&rows, 2),
        .due_ms = row_id(&rows, 3),
        .expires_ms = row_id(&rows, 4),
        .attempts = (uint32_t)row_int(&rows, 5),
        .body_id = row_id(&rows, 8),
        .skip = row_id(&rows, 9),
    };
    out->token = cut(&all, sizes[0]);
    out->head = cut(&all, sizes[1]);
    out->text = cut(&all, sizes[2]);
    db_end(&rows);
    return buf_err(octets);
}

enum err account_delay_outgoing(struct account *a, uint64_t id, uint64_t due_ms)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    account_mark_dirty(a);
    enum err e = account_begin_transaction(a, db);
    e = e == ERR_OK ? DB_RUN(db, OUTBOX_DELAY, value_id(id), value_id(due_ms)) : e;
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

static enum err release(struct account *a, struct db *db, uint64_t id)
{
    uint64_t body_id;
    TRY(account_begin_transaction(a, db));
    TRY(DB_GET(db, OUTBOX_BODY, &body_id, value_id(id)));
    if (body_id != 0) {
        TRY(note_reference(a, db, body_id, -1));
    }
    return DB_RUN(db, OUTBOX_DELETE, value_id(id));
}

enum err account_remove_outgoing(struct account *a, uint64_t id)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    account_mark_dirty(a);
    enum err e = release(a, db, id);
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

enum err outbox_empty(struct db *db)
{
    struct rows rows;
    bool has_row;
    CLEANUP(buf_release) struct buf ids = BUF_INIT(OUTBOX_MOST * sizeof(uint64_t));
    TRY(DB_QUERY(db, OUTBOX_BODIES, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        buf_add_le64(&ids, row_id(&rows, 0));
        TRY(db_next(&rows, &has_row));
    }
    TRY(buf_err(&ids));
    if (ids.len > 0) {
        TRY(DB_RUN(db, RELEASE_APPEND, value_int(-1), value_blob(buf_str(&ids))));
    }
    return DB_RUN(db, OUTBOX_CLEAR);
}
