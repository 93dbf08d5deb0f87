/* Aliases and senders' further addresses: two tables of two columns, and the same four verbs for both.
 *
 * They stand in the verifier database because who an address is, and who may use it, is one decision, made in one process
 * (lookup.c), and because a user and his rights then go together. What an alias leads to is not looked into here: a
 * target may be made later than the alias, and an account may be deleted before it. */
#include "auth/aliases.h"

#include "auth/users_priv.h"

/* Empty: NULL, which the statements read as "any". */
static void bind_str(sqlite3_stmt *s, int at, struct str v)
{
    if (v.n > 0) {
        (void)sqlite3_bind_text(s, at, v.p, (int)v.n, SQLITE_STATIC);
    }
}

static enum err change(struct users *u, enum users_statement which, struct str name,
                       struct str value)
{
    sqlite3_stmt *s = u->statements[which];
    bind_str(s, 1, name);
    bind_str(s, 2, value);
    return users_run_change(u, s, "addresses");
}

static struct str column(sqlite3_stmt *s, int i)
{
    return str_make((const char *)sqlite3_column_text(s, i), (size_t)sqlite3_column_bytes(s, i));
}

/* Calls on_row for each row; ERR_NOT_FOUND when there was none. on_row may look up something else meanwhile, but not by the
 * same statement. */
static enum err each(struct users *u, sqlite3_stmt *s,
                     bool (*on_row)(void *owner, struct str name, struct str value), void *owner)
{
    int rc;
    bool is_found = false;
    bool is_on = true;
    while (is_on && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        is_found = true;
        is_on = on_row(owner, column(s, 0), column(s, 1));
    }
    enum err e = is_found ? ERR_OK : ERR_NOT_FOUND;
    if (is_on && rc != SQLITE_DONE) {
        e = users_err(u, "addresses");
    }
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    return e;
}

enum err alias_add(struct users *u, struct str address, struct str target)
{
    return change(u, ALIAS_ADD, address, target);
}

enum err alias_remove(struct users *u, struct str address, struct str target)
{
    return change(u, ALIAS_REMOVE, address, target);
}

enum err alias_list(struct users *u, struct str address,
                    bool (*on_row)(void *owner, struct str name, struct str value), void *owner)
{
    sqlite3_stmt *s = u->statements[ALIAS_LIST];
    bind_str(s, 1, address);
    enum err e = each(u, s, on_row, owner);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err alias_find(struct users *u, struct str address,
                    bool (*on_row)(void *owner, struct str name, struct str value), void *owner)
{
    sqlite3_stmt *s = u->statements[ALIAS_FIND];
    bind_str(s, 1, address);
    return each(u, s, on_row, owner);
}

enum err sender_add(struct users *u, struct str user, struct str address)
{
    return change(u, SENDER_ADD, user, address);
}

enum err sender_remove(struct users *u, struct str user, struct str address)
{
    return change(u, SENDER_REMOVE, user, address);
}

enum err sender_list(struct users *u, struct str user,
                     bool (*on_row)(void *owner, struct str name, struct str value), void *owner)
{
    sqlite3_stmt *s = u->statements[SENDER_LIST];
    bind_str(s, 1, user);
    enum err e = each(u, s, on_row, owner);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool on_found(void *owner, struct str name, struct str value)
{
    return true;
}

enum err sender_find(struct users *u, struct str user, struct str address)
{
    sqlite3_stmt *s = u->statements[SENDER_FIND];
    bind_str(s, 1, user);
    bind_str(s, 2, address);
    return each(u, s, on_found, NULL);
}
