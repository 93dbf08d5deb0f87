#ifndef LIMETTA_STORE_SCRIPT_H
#define LIMETTA_STORE_SCRIPT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Sieve scripts of an account (RFC 5804): texts under names, at most one of them active, that is, run for every message that is
 * delivered. The store does not read them: whoever puts one has it checked before.
 *
 * Names are UTF-8 without control characters, kept in Normalization Form C and compared octet by octet; all functions take them as
 * people type them. Reading sees what is pending in this turn, too. Errors of all: ERR_IO, ERR_CORRUPT; of what changes
 * something also ERR_NO_SPACE. Whoever needs a change to be durable waits for the commit (store/store.h). */

struct account;

enum {
    SCRIPT_NAME_MOST = 128,   /* characters (RFC 5804, 1.6), before and after they are normalised */
    SCRIPT_NAME_OCTETS = 512, /* octets of such a name, at most */
    SCRIPT_MOST_DEFAULT = 256 * 1024, /* octets of a script */
    SCRIPTS_MOST_DEFAULT = 100        /* scripts of an account */
};

/* Appends the name as it is kept. Errors: ERR_SCRIPT_NAME. */
MUST_USE enum err script_name_normalise(struct str name, struct buf *out);

/* Is there room for a script of so many octets under this name (one that is there makes room)?
 * Errors: ERR_SCRIPT_NAME, ERR_SCRIPT_SIZE, ERR_SCRIPT_COUNT. */
MUST_USE enum err account_script_check(struct account *a, struct str name, uint64_t size);
/* Makes the script or takes its text's place; it stays active when it is. Pending. Errors: as account_script_check(). */
MUST_USE enum err account_script_put(struct account *a, struct str name, struct str text);
/* Appends the text to out (whose cap may be short: ERR_LIMIT). Errors: ERR_NOT_FOUND. */
MUST_USE enum err account_script_get(struct account *a, struct str name, struct buf *out);
/* Pending. Errors: ERR_NOT_FOUND, ERR_SCRIPT_ACTIVE (deactivate it first). */
MUST_USE enum err account_script_remove(struct account *a, struct str name);
/* It stays active when it is. Pending. Errors: ERR_SCRIPT_NAME (of the new one), ERR_NOT_FOUND, ERR_EXISTS (a name for itself, too). */
MUST_USE enum err account_script_rename(struct account *a, struct str from, struct str to);
/* Activates the script and none else; name empty: none at all. Pending. Errors: ERR_NOT_FOUND. */
MUST_USE enum err account_script_set_active(struct account *a, struct str name);

/* One of an account's scripts; the caller initialises and releases name (cap SCRIPT_NAME_OCTETS). */
struct script_info {
    struct buf name;
    uint64_t size; /* octets */
    bool is_active;
};
/* The first script behind the name `after` (empty: of all), in the order of their octets. */
MUST_USE enum err account_script_next(struct account *a, struct str after, struct script_info *out,
                                      bool *has_next);
/* Appends name and text of the active script; either may be NULL. *has_active: there is one. */
MUST_USE enum err account_script_find_active(struct account *a, struct buf *name, struct buf *text,
                                             bool *has_active);
/* Another number whenever a script may have changed, a pending change included: what was made of scripts is out of date then. */
uint64_t account_script_get_generation(const struct account *a);

#endif
