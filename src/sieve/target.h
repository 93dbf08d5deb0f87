#ifndef LIMETTA_SIEVE_TARGET_H
#define LIMETTA_SIEVE_TARGET_H

#include "base/err.h"
#include "base/str.h"
#include "sieve/run.h"

#include <stdbool.h>

/* For insiders of the room: where copies go, with which flags; and addresses that mail is sent to. */

struct sieve_run;
struct sieve_node;
struct sieve_compiler;
struct sieve_arg;

/* Reads flags out of strings (RFC 5232, 2): words between spaces; \Recent, what is no flag, and what stands there already are left
 * out. Lives as long as the result. */
MUST_USE enum err sieve_flags_read(struct sieve_run *r, const struct sieve_strings *words,
                                   struct sieve_strings *out);
bool sieve_flags_have(const struct sieve_strings *flags, struct str flag);

/* The mailbox that mailbox names, with the tags of the node: flags, :create, :specialuse, :mailboxid. mailbox: NULL for keep. */
MUST_USE enum err sieve_target_read(struct sieve_run *r, const struct sieve_node *n,
                                    const struct sieve_arg *mailbox, struct sieve_target *out);
/* Tags that fit together, a special use that is one: for every command with a target. */
MUST_USE enum err sieve_target_check(struct sieve_compiler *c, struct sieve_node *n);
/* :fcc (RFC 8580): is there one, and where? */
MUST_USE enum err sieve_fcc_read(struct sieve_run *r, const struct sieve_node *n, bool *has_fcc,
                                 struct sieve_target *out);

/* A sieve-address (RFC 5228, 2.4.2.3): addr-spec, or phrase "<" addr-spec ">". out: the addr-spec, in s. False: it is none. */
bool sieve_address_read(struct str s, struct str *out);

#endif
