#ifndef LIMETTA_AUTH_USERS_PRIV_H
#define LIMETTA_AUTH_USERS_PRIV_H

#include "auth/users.h"

#include <sqlite3.h>

/* Shared by users.c (who may log in) and aliases.c (addresses): one database, one connection. */

enum users_statement {
    USERS_FIND,
    USERS_ADD,
    USERS_SET,
    USERS_DELETE,
    USERS_LIST,
    USERS_DATA_VERSION,
    ALIAS_ADD,
    ALIAS_REMOVE,
    ALIAS_LIST,
    ALIAS_FIND,
    SENDER_ADD,
    SENDER_REMOVE,
    SENDER_LIST,
    SENDER_FIND,
    USERS_STATEMENT_COUNT
};

struct users {
    sqlite3 *db;
    sqlite3_stmt *statements[USERS_STATEMENT_COUNT];
    uint64_t own_changes; /* data_version counts only what others did */
    uint8_t site_key[SITE_KEY_SIZE];
};

/* What SQLite's last error means here; logs it, but for ERR_EXISTS. */
enum err users_err(const struct users *u, const char *what);
/* Runs a change whose parameters are bound, and forgets them. ERR_NOT_FOUND when it met no row. */
MUST_USE enum err users_run_change(struct users *u, sqlite3_stmt *s, const char *what);

#endif
