#ifndef LIMETTA_SIEVE_RUN_PRIV_H
#define LIMETTA_SIEVE_RUN_PRIV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "sieve/message.h"
#include "sieve/run.h"
#include "sieve/script_priv.h"
#include "sieve/variables.h"

#include <stdbool.h>
#include <stdint.h>

/* For insiders of the room: a script that is being run. */

enum sieve_flow {
    SIEVE_FLOW_NEXT,   /* go on with the next command */
    SIEVE_FLOW_RETURN, /* leave this script (RFC 6609, 3.3) */
    SIEVE_FLOW_STOP
};

/* One script: the main one, or one that it includes. */
struct sieve_frame {
    const struct sieve_script *script;
    struct str name;  /* of an included one */
    bool is_site;     /* it is one of the site's */
    uint64_t enabled; /* extensions: required, or by ihave */
    struct sieve_scope scope;
    struct sieve_frame *outer; /* NULL: main */
};

/* A script that was included, for :once (RFC 6609, 3.2), and so that it is compiled once. */
struct sieve_included {
    struct str name;
    bool is_site;
    struct sieve_script *script; /* owned by the run; NULL: there is none */
    struct sieve_included *next;
};

struct sieve_decoded; /* sieve/test_body.c */

struct sieve_run {
    const struct sieve_env *env;
    const struct sieve_host *host; /* never NULL */
    struct sieve_limits limits;
    struct arena *arena;   /* what lives as long as the result */
    struct arena *scratch; /* what lives as long as one command */
    uint64_t memory;       /* octets that were taken from arena */
    struct sieve_result *out;
    struct sieve_frame *frame;
    enum sieve_flow flow;
    uint32_t line; /* that is being run */
    bool is_implicit_keep_cancelled;
    struct sieve_action *actions; /* room for limits.actions + 1 */
    uint32_t redirects;
    struct sieve_scope globals;
    struct str matches[SIEVE_MATCHES_MOST + 1]; /* RFC 5229, 3.2 */
    uint32_t match_count;
    struct sieve_message message;
    struct sieve_strings flags; /* the internal variable (RFC 5232, 2) */
    struct sieve_included *included;
    uint32_t included_count;       /* includes that were run */
    struct sieve_decoded *decoded; /* parts of the body that were looked at */
    uint32_t decoded_count;
    uint32_t depth; /* of includes */
};

/* Notes that the script fails, here: what is wrong, for its author. The first failure counts. */
void sieve_run_note_failure(struct sieve_run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, as what the caller returns. */
#define sieve_run_fail(r, ...) (sieve_run_note_failure((r), __VA_ARGS__), ERR_LIMIT)
/* What is returned when memory is used up. */
static inline enum err sieve_run_full(struct sieve_run *r)
{
    return sieve_run_fail(r, "The script takes too much memory");
}
/* Counts steps. Errors: the script's, when it took too many. */
MUST_USE enum err sieve_run_spend(struct sieve_run *r, uint64_t steps);
/* What a step buys: some 40 ns of work, whatever the work is, so that the limit of steps is one of time. Octets a step: */
enum sieve_rate {
    SIEVE_RATE_COPY = 32,  /* copied, compared as they are */
    SIEVE_RATE_FOLD = 16,  /* made upper case, searched */
    SIEVE_RATE_TEXT = 8,   /* unfolded, changed octet by octet */
    SIEVE_RATE_DECODE = 4, /* addresses, transfer encodings, charsets, HTML */
    SIEVE_RATE_CHARACTER =
        2, /* characters looked up one by one: i;unicode-casemap, encoded words */
    SIEVE_RATE_COMPILE = 1
};
/* The steps that so many octets take. */
static inline uint64_t sieve_steps_for(uint64_t octets, enum sieve_rate rate)
{
    return 1 + octets / (unsigned)rate;
}
/* Steps for other things. */
enum {
    SIEVE_STEPS_ASK = 250,     /* a question to the host: a look into a database */
    SIEVE_STEPS_SEARCH = 2500, /* one for which it goes through all mailboxes */
    SIEVE_STEPS_PART = 16,     /* a part of a message that is decoded */
    SIEVE_LOOKS_A_STEP = 4     /* names that are compared: of variables, of flags */
};
/* Zeroed memory that lives as long as the result. NULL: the script failed (sieve_run_full()). */
void *sieve_run_alloc(struct sieve_run *r, size_t count, size_t size);
#define sieve_run_array(r, T, count) ((T *)sieve_run_alloc((r), (count), sizeof(T)))
/* Copies s for as long as the result lives. */
MUST_USE enum err sieve_run_keep(struct sieve_run *r, struct str s, struct str *out);
/* Tells what is done, when somebody wants to know. */
void sieve_run_trace(struct sieve_run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool sieve_run_is_traced(const struct sieve_run *r);
static inline bool sieve_run_has(const struct sieve_run *r, enum sieve_ext e)
{
    return (r->frame->enabled & sieve_ext_bit(e)) != 0;
}

/* Runs the commands of a block. */
MUST_USE enum err sieve_run_commands(struct sieve_run *r, const struct sieve_node *first);
MUST_USE enum err sieve_run_test(struct sieve_run *r, const struct sieve_node *n, bool *out);

/* sieve/expand.c: what a string means now: lives in scratch, or in the script. */
MUST_USE enum err sieve_expand(struct sieve_run *r, const struct sieve_string *s, struct str *out);
/* The first string of an argument; empty when the argument is not there. */
MUST_USE enum err sieve_expand_one(struct sieve_run *r, const struct sieve_arg *arg,
                                   struct str *out);
MUST_USE enum err sieve_expand_list(struct sieve_run *r, const struct sieve_arg *arg,
                                    struct sieve_strings *out);
/* The same, and it lives as long as the result. */
MUST_USE enum err sieve_expand_kept(struct sieve_run *r, const struct sieve_arg *arg,
                                    struct str *out);

/* The same, as text: what is not UTF-8, and NUL, becomes U+FFFD. */
MUST_USE enum err sieve_expand_text(struct sieve_run *r, const struct sieve_arg *arg,
                                    struct str *out);

/* sieve/action.c: a new action with the header as it stands now; the script's error at the limit. */
MUST_USE enum err sieve_action_add(struct sieve_run *r, enum sieve_action_kind kind,
                                   struct sieve_action **out);
/* The one of the script's actions so far of this kind; NULL: none. */
struct sieve_action *sieve_action_find(struct sieve_run *r, enum sieve_action_kind kind);

#endif
