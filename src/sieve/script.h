#ifndef LIMETTA_SIEVE_SCRIPT_H
#define LIMETTA_SIEVE_SCRIPT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A Sieve script (RFC 5228) that was found to be right: read, checked, ready to run any number of times (sieve/run.h). It keeps a
 * copy of all that it needs and never changes. */
struct sieve_script;

/* What scripts may cost. Those of a run hold for it with all that it includes. */
struct sieve_limits {
    uint32_t script_octets; /* of one script */
    uint32_t nesting; /* blocks in blocks, and tests in tests; at least 15 (RFC 5228, 2.10.7) */
    uint32_t list_strings;    /* strings in one list */
    uint32_t variables;       /* in one script; and global ones (RFC 5229, 6: at least 128) */
    uint32_t variable_octets; /* longer values are cut (RFC 5229, 6: at least 4000) */
    uint64_t steps;           /* about: commands, tests, comparisons, and 32 octets looked at */
    uint64_t memory_octets;   /* that a run takes */
    uint32_t actions;
    uint32_t redirects;
    uint32_t includes;      /* scripts included in all */
    uint32_t include_depth; /* in one another (RFC 6609, 3.2) */
    uint32_t body_octets;   /* decoded, of a body part that is looked at; no more is seen */
    uint32_t header_octets; /* of an edited header */
};

/* The limits that hold where nobody says otherwise. */
void sieve_limits_init(struct sieve_limits *out);

struct sieve_config {
    const struct sieve_limits *limits; /* borrowed for the call; NULL: the default ones */
    /* Words of extensions that are not offered here, between spaces; such as "enotify imapsieve". Borrowed for the call. */
    struct str disabled;
    /* Events of IMAP run scripts here (RFC 6785): "imapsieve" is offered. */
    bool has_imap_events;
};

enum { SIEVE_ERROR_MOST = 400 };

/* What is wrong and where: UTF-8 for the script's author, one line without its end, NUL at the end. */
struct sieve_error {
    uint32_t line; /* 1-based; 0: of the script as a whole */
    char text[SIEVE_ERROR_MOST];
};

/* Reads and checks a script: UTF-8, lines that end with CRLF or LF. config: may be NULL.
 * out: a new script. error: is set on errors only.
 * Errors: ERR_SYNTAX (not a script, an unknown extension, wrong arguments), ERR_TOO_BIG, ERR_TOO_DEEP, ERR_LIMIT. */
MUST_USE enum err sieve_compile(struct str text, const struct sieve_config *config,
                                struct sieve_script **out, struct sieve_error *error);
void sieve_script_free(struct sieve_script **s);

/* Tells what the author may not have meant, in the order of lines but for what follows from several: a way through the script with more
 * redirects than limits has (NULL: the default ones), commands behind a stop, what ihave lets pass and is not offered here. text:
 * borrowed for the call. */
void sieve_script_warn(const struct sieve_script *s, const struct sieve_limits *limits,
                       void (*on_warning)(void *owner, uint32_t line, struct str text),
                       void *owner);

/* Does the script require the extension (RFC 5228, 3.2)? */
bool sieve_script_is_requiring(const struct sieve_script *s, struct str word);
/* Appends the words that the script requires, between spaces. */
void sieve_script_write_extensions(const struct sieve_script *s, struct buf *out);
/* Appends the words of all extensions that scripts may require, between spaces: what ManageSieve's SIEVE says (RFC 5804, 1.7).
 * config: may be NULL. */
void sieve_write_extensions(const struct sieve_config *config, struct buf *out);

#endif
