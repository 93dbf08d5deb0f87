#ifndef LIMETTA_AUTH_USERS_H
#define LIMETTA_AUTH_USERS_H

#include "auth/verifier.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The verifier database: who may log in. One SQLite file, read by auth, written by `limetta user`, at the same time.
 * Names are in their stored form (names.h). */
struct users;

enum user_kind {
    USER_PERSON, /* has mail */
    USER_ENTITY /* a part of the system that logs in, such as the submission server; gets no mail */
};

enum { SITE_KEY_SIZE = 32 };

/* Opens path, and makes it (0600, owned like its folder) when it is missing. Errors: ERR_IO, ERR_NO_PERMISSION,
 * ERR_NO_SPACE, ERR_CORRUPT (not our database, or of a later version). */
MUST_USE enum err users_open(const char *path, struct users **out);
void users_close(struct users **u);

/* Errors of all: ERR_IN_USE (another process holds the lock for long), ERR_NO_SPACE, ERR_IO, ERR_CORRUPT; and: */
/* ERR_EXISTS. */
MUST_USE enum err users_add(struct users *u, struct str name, enum user_kind kind,
                            const struct verifier *v);
/* A new password. ERR_NOT_FOUND. */
MUST_USE enum err users_set(struct users *u, struct str name, const struct verifier *v);
/* ERR_NOT_FOUND. */
MUST_USE enum err users_delete(struct users *u, struct str name);
/* out, kind: may be NULL. ERR_NOT_FOUND. */
MUST_USE enum err users_find(struct users *u, struct str name, struct verifier *out,
                             enum user_kind *kind);
/* Calls on_user for each, sorted by name. name is borrowed for the call. */
MUST_USE enum err users_list(struct users *u,
                             void (*on_user)(void *owner, struct str name, enum user_kind kind),
                             void *owner);

/* Several changes at once. users_end(): keeps them when e is ERR_OK; returns e, or why they could not be kept. */
MUST_USE enum err users_begin(struct users *u);
MUST_USE enum err users_end(struct users *u, enum err e);

/* Changes whenever the database was changed by anybody; 0 when that cannot be told, which is never the same
 * as before. Costs one small read. */
uint64_t users_get_version(struct users *u);

/* A secret of this database, made with it: the key for salts of users that do not exist. */
void users_get_site_key(const struct users *u, uint8_t out[SITE_KEY_SIZE]);

#endif
