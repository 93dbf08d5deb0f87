#ifndef LIMETTA_SIEVE_VARIABLES_H
#define LIMETTA_SIEVE_VARIABLES_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* For insiders of the room: names of variables (RFC 5229, 3) and the scopes they live in (RFC 6609, 3.4). */

struct sieve_compiler;
struct sieve_run;

enum {
    SIEVE_NAME_MOST = 64,   /* octets of a name; RFC 5229, 6: at least 32 */
    SIEVE_MATCHES_MOST = 99 /* the highest match variable; RFC 5229, 6: at least 9 */
};

/* identifier = (ALPHA / "_") *(ALPHA / DIGIT / "_") */
bool sieve_variable_is_identifier(struct str s);
/* [namespace] variable-name, as it stands in the braces. */
bool sieve_variable_is_reference(struct str s);
/* May the name be used in the namespace? "global" needs include; there is no other. */
MUST_USE enum err sieve_variable_check_space(struct sieve_compiler *c, uint32_t line,
                                             struct str space, struct str name);

/* A variable of one script, or a global one. */
struct sieve_variable {
    struct str name;  /* lower case */
    struct str value; /* in the run's arena */
    bool is_global;   /* this script declared it so: its value is that of the global variable */
    struct sieve_variable *next;
};

struct sieve_scope {
    struct sieve_variable *first;
    uint32_t count;
};

/* The value, empty when it was never set. is_global: of the namespace "global". name: lower case. */
struct str sieve_variable_get(const struct sieve_run *r, bool is_global, struct str name);
/* The steps that looking for a variable takes. */
uint64_t sieve_variable_count_steps(const struct sieve_run *r);
/* value: copied, cut at the limit. Errors: the script's. */
MUST_USE enum err sieve_variable_set(struct sieve_run *r, bool is_global, struct str name,
                                     struct str value);

/* A constant name that may be set: an identifier, or "global." and one (RFC 6609, 3.4.2); in any case. */
struct sieve_string;
MUST_USE enum err sieve_variable_check_name(struct sieve_compiler *c, uint32_t line,
                                            const struct sieve_string *name);
/* The same by such a name. */
struct str sieve_variable_get_named(const struct sieve_run *r, struct str name);
MUST_USE enum err sieve_variable_set_named(struct sieve_run *r, struct str name, struct str value);
/* The name in lower case; lives as long as the result. */
MUST_USE enum err sieve_variable_keep_name(struct sieve_run *r, struct str name, struct str *out);
/* From now on the name means the global variable in this script (RFC 6609, 3.4.1). Errors: the script's. */
MUST_USE enum err sieve_variable_declare_global(struct sieve_run *r, struct str name);

#endif
