#ifndef LIMETTA_MAIN_CONFIG_H
#define LIMETTA_MAIN_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The configuration: the settings of config.def with the values of a file, checked. */
struct config;

enum config_id {
#define CONFIG(id, type, fallback, least, most, choices, help) CONFIG_##id,
#include "main/config.def"
#undef CONFIG
    CONFIG_COUNT
};

enum config_type {
    CONFIG_WORD,
    CONFIG_TEXT,
    CONFIG_PATH,
    CONFIG_LIST,
    CONFIG_NUMBER,
    CONFIG_CHOICE,
    CONFIG_SWITCH
};

/* One row of config.def. Static. */
struct config_key {
    const char *name;
    enum config_type type;
    const char *fallback;
    uint64_t least;
    uint64_t most;
    const char *choices;
    const char *help;
};

/* The login by which our submission server fetches URLs. */
#define CONFIG_SUBMIT_USER "limetta-submit"

enum { CONFIG_BURL_MOST = 64, CONFIG_LINK_MOST = 64 };

const struct config_key *config_get_key(enum config_id id);
/* The rows of config_burl.def and config_link.def, by index; NULL behind the last. */
const struct config_key *config_find_burl_key(size_t i);
const struct config_key *config_find_link_key(size_t i);

/* Reads a file; path NULL: only the defaults. Says on standard error, in one line, what is wrong where and what to do.
 * Errors: ERR_SYNTAX (unknown setting, bad value), ERR_NOT_FOUND, ERR_NO_PERMISSION, ERR_IO. */
MUST_USE enum err config_read(const char *path, struct config **out);
void config_free(struct config **c);

/* The value, borrowed; the fallback when the file said nothing. */
struct str config_get(const struct config *c, enum config_id id);
/* A NUMBER; 0 when it is unset and has no fallback. */
uint64_t config_get_u64(const struct config *c, enum config_id id);
/* Message stores that BURL may fetch from, in the file's order: the settings of config_burl.def as a message of net/fields.h, with the
 * section's name as "host" and the octets of ca_file in the field "ca" instead; empty from the first index on that is none.
 * Borrowed. */
struct str config_get_burl(const struct config *c, size_t i);
/* The other hosts of this mail system, likewise: the settings of config_link.def, and the section's name as "host". Borrowed. */
struct str config_get_link(const struct config *c, size_t i);
/* A SWITCH. */
bool config_is_on(const struct config *c, enum config_id id);
/* Sets a value as a command line does, unchecked: for defaults that only the running system knows. Copies. */
void config_set(struct config *c, enum config_id id, struct str value);

#endif
