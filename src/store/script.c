/* Sieve scripts (RFC 5804) in the account's database.
 *
 *     script: name, is_active, text
 *
 * They are few, small and rarely read, so nothing of them is kept in memory but a number that tells who made something of them that
 * they changed. As with annotations, what could be refused is checked first, and then the rows are written into the turn's
 * transaction at once: the commit of the turn makes them durable, a failure takes them all back.
 *
 * A name is one script however it was typed, so it is normalised (RFC 5804, 1.6, asks for Net-Unicode). A name that cannot be one
 * names no script: whoever asks for it hears that there is none. */
#include "store/script.h"

#include "base/utf8.h"
#include "mime/nfc.h"
#include "store/store_priv.h"

/* ---- names ---- */

/* RFC 5804, 1.6: no C0, DEL, C1, line or paragraph separator. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static bool is_sound(struct str name)
{
    unsigned count = 0;
    uint32_t c;
    while (utf8_next(&name, &c)) {
        count++;
        if (is_control(c)) {
            return false;
        }
    }
    return name.n == 0 && count > 0 && count <= SCRIPT_NAME_MOST;
}

enum err script_name_normalise(struct str name, struct buf *out)
{
    if (!is_sound(name)) {
        return ERR_SCRIPT_NAME;
    }
    size_t begin = out->len;
    if (nfc_write(name, out) != ERR_OK || !is_sound(str_skip(buf_str(out), begin))) {
        return ERR_SCRIPT_NAME;
    }
    return buf_err(out);
}

/* The name of a script that should be there. */
static enum err find_name(struct str name, struct buf *out)
{
    buf_init(out, SCRIPT_NAME_OCTETS);
    return script_name_normalise(name, out) == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- reading ---- */

static enum err has_script(struct db *db, struct str name, bool *is_there, bool *is_active)
{
    struct rows rows;
    TRY(DB_QUERY(db, SCRIPT_FIND, &rows, value_text(name)));
    TRY(db_next(&rows, is_there));
    *is_active = *is_there && row_int(&rows, 0) != 0;
    if (*is_there) {
        db_end(&rows);
    }
    return ERR_OK;
}

enum err account_script_get(struct account *a, struct str name, struct buf *out)
{
    struct db *db;
    struct rows rows;
    bool has_row;
    CLEANUP(buf_release) struct buf normal;
    TRY(find_name(name, &normal));
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, SCRIPT_GET, &rows, value_text(buf_str(&normal))));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        return ERR_NOT_FOUND;
    }
    buf_add(out, row_str(&rows, 0));
    db_end(&rows);
    return buf_err(out);
}

enum err account_script_next(struct account *a, struct str after, struct script_info *out,
                             bool *has_next)
{
    struct db *db;
    struct rows rows;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, SCRIPT_NEXT, &rows, value_text(after)));
    TRY(db_next(&rows, has_next));
    if (!*has_next) {
        return ERR_OK;
    }
    buf_clear(&out->name);
    buf_add(&out->name, row_str(&rows, 0));
    out->is_active = row_int(&rows, 1) != 0;
    out->size = row_id(&rows, 2);
    db_end(&rows);
    return buf_err(&out->name);
}

enum err account_script_find_active(struct account *a, struct buf *name, struct buf *text,
                                    bool *has_active)
{
    struct db *db;
    struct rows rows;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, SCRIPT_ACTIVE, &rows));
    TRY(db_next(&rows, has_active));
    if (!*has_active) {
        return ERR_OK;
    }
    if (name != NULL) {
        buf_add(name, row_str(&rows, 0));
    }
    if (text != NULL) {
        buf_add(text, row_str(&rows, 1));
    }
    db_end(&rows);
    TRY(name == NULL ? ERR_OK : buf_err(name));
    return text == NULL ? ERR_OK : buf_err(text);
}

uint64_t account_script_get_generation(const struct account *a)
{
    /* A turn that fails takes its changes back, which is a change, too. */
    return a->script_generation + a->failure_count;
}

/* ---- changing ---- */

/* Opens the turn's transaction for what was found to be right. */
static enum err begin(struct account *a, struct db *db)
{
    enum err e = account_begin_transaction(a, db);
    if (e != ERR_OK) {
        return account_poison(a, e);
    }
    a->script_generation++;
    account_mark_dirty(a);
    return ERR_OK;
}

static enum err check_room(struct account *a, struct db *db, struct str normal, uint64_t size)
{
    bool is_there;
    bool is_active;
    if (size > a->store->script_most) {
        return ERR_SCRIPT_SIZE;
    }
    TRY(has_script(db, normal, &is_there, &is_active));
    if (is_there) {
        return ERR_OK;
    }
    uint64_t count;
    TRY(DB_GET(db, SCRIPT_COUNT, &count));
    return count < a->store->scripts_most ? ERR_OK : ERR_SCRIPT_COUNT;
}

enum err account_script_check(struct account *a, struct str name, uint64_t size)
{
    struct db *db;
    CLEANUP(buf_release) struct buf normal = BUF_INIT(SCRIPT_NAME_OCTETS);
    TRY(script_name_normalise(name, &normal));
    TRY(account_ready(a, &db));
    return check_room(a, db, buf_str(&normal), size);
}

enum err account_script_put(struct account *a, struct str name, struct str text)
{
    struct db *db;
    CLEANUP(buf_release) struct buf normal = BUF_INIT(SCRIPT_NAME_OCTETS);
    TRY(script_name_normalise(name, &normal));
    TRY(account_begin_change(a, &db));
    TRY(check_room(a, db, buf_str(&normal), text.n));
    TRY(begin(a, db));
    enum err e = DB_RUN(db, SCRIPT_PUT, value_text(buf_str(&normal)), value_blob(text));
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

enum err account_script_remove(struct account *a, struct str name)
{
    struct db *db;
    bool is_there;
    bool is_active;
    CLEANUP(buf_release) struct buf normal;
    TRY(find_name(name, &normal));
    TRY(account_begin_change(a, &db));
    TRY(has_script(db, buf_str(&normal), &is_there, &is_active));
    if (!is_there) {
        return ERR_NOT_FOUND;
    }
    if (is_active) {
        return ERR_SCRIPT_ACTIVE;
    }
    TRY(begin(a, db));
    enum err e = DB_RUN(db, SCRIPT_DELETE, value_text(buf_str(&normal)));
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

enum err account_script_rename(struct account *a, struct str from, struct str to)
{
    struct db *db;
    bool is_there;
    bool is_taken;
    bool is_active;
    CLEANUP(buf_release) struct buf old;
    CLEANUP(buf_release) struct buf new = BUF_INIT(SCRIPT_NAME_OCTETS);
    TRY(find_name(from, &old));
    TRY(account_begin_change(a, &db));
    TRY(has_script(db, buf_str(&old), &is_there, &is_active));
    if (!is_there) {
        return ERR_NOT_FOUND;
    }
    TRY(script_name_normalise(to, &new));
    TRY(has_script(db, buf_str(&new), &is_taken, &is_active));
    if (is_taken) {
        return ERR_EXISTS;
    }
    TRY(begin(a, db));
    enum err e = DB_RUN(db, SCRIPT_RENAME, value_text(buf_str(&old)), value_text(buf_str(&new)));
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

enum err account_script_set_active(struct account *a, struct str name)
{
    struct db *db;
    bool is_there = true;
    bool is_active;
    CLEANUP(buf_release) struct buf normal = BUF_INIT(SCRIPT_NAME_OCTETS);
    TRY(name.n == 0 ? ERR_OK : find_name(name, &normal));
    TRY(account_begin_change(a, &db));
    if (name.n > 0) {
        TRY(has_script(db, buf_str(&normal), &is_there, &is_active));
    }
    if (!is_there) {
        return ERR_NOT_FOUND;
    }
    TRY(begin(a, db));
    enum err e = DB_RUN(db, SCRIPT_ACTIVATE, value_text(buf_str(&normal)));
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}
