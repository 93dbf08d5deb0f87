/* Backups, and what must be different in an account that was made from one.
 *
 * Between the backup and its return the account lived on: it gave out UIDs, UIDVALIDITYs, object names and signed URLs that the
 * backup knows nothing of, and will give them out again for other things. Clients remember them. So every mailbox gets a
 * UIDVALIDITY that no mailbox here can have had (they are seconds of the clock, or little more), the account gets a new seed for
 * its object names (object.c), and the keys of URLs are forgotten. What it was about to send was
 * sent since, so its outbox is emptied. The copy is made under a name that no account has, changed,
 * and then renamed: it is there whole or not at all. */
#include "store/store_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_MOST = 4096 };

enum err store_backup_account(struct store *s, struct str user, struct str folder)
{
    struct buf from = BUF_INIT(PATH_MOST);
    store_write_folder(s, user, &from);
    enum err result = engine_copy(buf_str(&from), folder);
    buf_release(&from);
    return result;
}

static enum err renew(struct db *db, uint64_t now_s)
{
    uint64_t last;
    TRY(DB_GET(db, META_GET, &last, value_text(STR("uidvalidity"))));
    uint64_t base = now_s > last ? now_s : last;
    TRY(DB_RUN(db, BEGIN));
    TRY(DB_RUN(db, RESTORE_MAILBOXES, value_id(base)));
    TRY(DB_RUN(db, META_SET, value_text(STR("uidvalidity")), value_id(base)));
    TRY(DB_RUN(db, RESTORE_UIDVALIDITY, value_id(base)));
    TRY(DB_RUN(db, RESTORE_URLAUTH));
    TRY(DB_RUN(db, RESTORE_SEED));
    TRY(outbox_empty(db));
    return DB_RUN(db, COMMIT);
}

static enum err renew_folder(struct store *s, struct str user, struct str folder)
{
    struct engine *e = NULL;
    struct db *db = NULL;
    TRY(engine_open(folder, false, &e));
    enum err result = db_open(e, user, false, &db);
    if (result == ERR_OK) {
        result = renew(db, store_get_now_ms(s) / 1000);
        db_rollback(db);
        db_close(&db);
    }
    engine_close(&e);
    return result;
}

/* Durable, because engine_copy() left nothing of it to be synced but the name. */
static enum err give_name(struct store *s, const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        return errno == EEXIST ? ERR_EXISTS : err_from_errno(errno);
    }
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err result = fd >= 0 && fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    if (fd >= 0) {
        (void)close(fd);
    }
    return result;
}

enum err store_restore_account(struct store *s, struct str user, struct str folder)
{
    char fresh[PATH_MOST];
    struct buf to = BUF_INIT(PATH_MOST);
    store_write_folder(s, user, &to);
    (void)snprintf(fresh, sizeof(fresh), "%s/.restored-%d", s->dir, getpid());
    buf_add_char(&to, '\0');
    enum err result = access(to.p, F_OK) == 0 ? ERR_EXISTS : ERR_OK;
    if (result == ERR_OK) {
        result = engine_copy(folder, str_from_c(fresh));
        result = result == ERR_OK ? renew_folder(s, user, str_from_c(fresh)) : result;
        result = result == ERR_OK ? give_name(s, fresh, to.p) : result;
        if (result != ERR_OK && result != ERR_NOT_FOUND) {
            err_ignore(engine_remove(str_from_c(fresh)));
        }
    }
    buf_release(&to);
    return result;
}
