#ifndef LIMETTA_FILTER_FILTER_PRIV_H
#define LIMETTA_FILTER_FILTER_PRIV_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "filter/filter.h"
#include "mime/shape.h"
#include "sieve/run.h"
#include "sieve/script.h"
#include "store/outbox.h"
#include "store/seen.h"

/* What the files of this room share. A delivery goes through them in this order:
 *
 *     filter.c   scripts are run            -> actions
 *     plan.c     actions are looked at      -> copies, letters to send; nothing is changed yet
 *     apply.c    all of it is carried out   -> pending in the account */

struct filter {
    struct filter_config config;
    struct map *compiled; /* text to struct compiled */
    struct list recent;   /* of struct compiled, the last used at the end */
    size_t compiled_octets;
    uint64_t counts[FILTER_COUNTS];
    struct sieve_limits limits;
    struct sieve_config sieve; /* which extensions, what they may cost */
};

enum { SCRIPT_TEXT_MOST = 16 * 1024 * 1024 }; /* the most that sieve_script_most may be set to */

/* A script that was compiled, or why it cannot be. */
struct compiled {
    struct list node;
    struct buf text;
    struct sieve_script *script; /* NULL: it has an error */
    struct sieve_error error;
};

/* A copy of a message in a mailbox. */
struct copy {
    const struct sieve_target *target;
    struct body_writer *writer; /* borrowed */
    bool is_message;            /* of the message that is delivered; false: of one that is sent */
    bool is_keep;               /* where it is, or would be without a script */
};

/* Something for the outbox. */
struct letter_out {
    enum outbox_kind kind;
    struct str from;
    struct str to; /* POST: the URL */
    struct str text;
    bool is_redirect;
    bool is_needed; /* without it the message would be lost; false: an answer, a notification */
    bool has_body;  /* behind the text, the message from `skip` on */
    uint64_t skip;
};

/* An id that a duplicate test asked for (RFC 7352). */
struct asked_id {
    struct str key;
    uint64_t seconds;
    bool is_last;
    bool is_seen;
};

/* What is remembered when all is done. */
struct memory {
    enum seen_kind kind;
    struct str key;
    uint64_t seconds;
};

/* What the user is told. */
struct note {
    struct str script; /* which one, in words */
    uint32_t line;     /* 0: none in particular */
    struct str text;
};

struct run {
    struct filter *f;
    const struct filter_delivery *d;
    struct arena *a;
    struct account *account;
    uint64_t body_id; /* d->writer NULL: of a message that is stored */
    struct str octets;
    struct shape shape;
    int64_t now_s;
    struct str address;        /* the recipient's, without detail */
    VEC(struct str) addresses; /* the user's own, best first */
    struct sieve_env env;
    VEC(struct asked_id) asked;
    VEC(const struct sieve_action *) actions;
    VEC(struct note) notes;
    VEC(struct copy) copies;
    VEC(struct letter_out) letters;
    VEC(struct memory) memories;
    VEC(struct body_writer *) writers; /* of changed messages, and of copies of what is sent */
    struct str
        seen_header;   /* by the action that is planned, when it was changed before; else empty */
    struct str edited; /* the header that the last of these was made for */
    struct body_writer *edited_writer;
    unsigned edited_count; /* such copies were made */
    struct str refusal;
    uint64_t redirects; /* planned */
    uint64_t notifies;
};

/* ---- filter.c ---- */

/* Fills addresses, best first. *detail: what was cut off d->address. */
void find_addresses(struct run *r, struct str *detail);
/* FILTER_ITEMS of the environment (RFC 5183); NULL when the arena is full. */
enum { FILTER_ITEMS = 2 };
struct sieve_item *make_items(struct run *r);
int32_t find_zone_s(const struct run *r);
void run_release(struct run *r);

/* ---- scripts.c ---- */

/* Never NULL; valid until scripts_trim(). */
const struct compiled *scripts_get(struct filter *f, struct str text);
/* Forgets what was not used for longest, when there is much. */
void scripts_trim(struct filter *f);
void scripts_free(struct filter *f);

/* ---- host.c: what a script asks about the account ---- */

extern const struct sieve_host FILTER_HOST; /* owner: struct run */
/* The committed mailbox that a target names, by id, special use or name; referenced. Errors: ERR_NO_MAILBOX, ERR_IO. */
MUST_USE enum err find_target(struct account *a, const struct sieve_target *target,
                              struct mailbox **out);
/* The bit of a special use that mailboxes here can have; 0: unknown. */
unsigned find_use(struct str name);

/* ---- plan.c ---- */

MUST_USE enum err plan_actions(struct run *r);
void add_note(struct run *r, struct str script, uint32_t line, struct str text);
/* A new message with these octets (any may be empty), to be appended; owned by r. */
MUST_USE enum err make_writer(struct run *r, struct str head, struct str body,
                              struct body_writer **out);

/* ---- respond.c: messages that scripts send ---- */

MUST_USE enum err plan_vacation(struct run *r, const struct sieve_action *x);
MUST_USE enum err plan_notify(struct run *r, const struct sieve_action *x);
MUST_USE enum err plan_reject(struct run *r, const struct sieve_action *x);

/* ---- original.c: the message that came ---- */

/* The first field of that name, unfolded, in r->a; false: there is none. */
bool find_field(struct run *r, struct str name, struct str *out);
unsigned count_fields(struct run *r, struct str name);
/* The addr-specs of what a script lists; in r->a. No more than a hundred: each is compared with each that the message names. */
struct sieve_strings read_addresses(struct run *r, const struct sieve_strings *texts);
bool is_among(struct str address, const struct sieve_strings *list);
/* Does some field of that name hold one of the user's addresses, or of `more`? Looks at 32 KiB of them. */
bool has_own_address(struct run *r, struct str name, const struct sieve_strings *more);
/* Is the address one of the user's? */
bool is_own_address(const struct run *r, struct str address);
/* The message was made by a program, or for a list (RFC 3834, 2). */
bool is_automatic(struct run *r);
bool is_submitted_automatically(struct run *r);

/* ---- apply.c ---- */

/* What there is besides copies: letters, memories, notes. */
MUST_USE enum err apply_rest(struct run *r, bool is_kept);
MUST_USE enum err apply_plan(struct run *r, bool *has_outgoing);
/* The mailbox of the target: made when it says so; INBOX, and a note, when it is not there. Referenced. */
MUST_USE enum err find_or_create(struct run *r, const struct sieve_target *t, struct mailbox **out);
/* The bits of flags in m. */
uint64_t find_flags(struct mailbox *m, const struct sieve_strings *names);

#endif
