#ifndef LIMETTA_MAIN_ADMISSION_H
#define LIMETTA_MAIN_ADMISSION_H

#include "base/err.h"
#include "main/boot.h"
#include "main/kept.h"
#include "main/peers.h"
#include "net/fields.h"
#include "net/link.h"
#include "net/session_run.h"
#include "net/ticket.h"

#include <stdbool.h>

/* Which sessions of clients a role has: an edge opens them with a ticket, and brings them back with a state that it kept. What store
 * workers and submit share. What is refused is logged, one line a second. */
struct admission_settings {
    const struct boot *boot;
    struct loop *loop;
    struct peers *peers;
    struct str services; /* that clients have here, with spaces between */
    /* One of several workers that have the accounts between them: what concerns an account of another one is refused. */
    bool is_worker;
    /* Goes on with a session: attaches the runner (kept_attach()), makes the core, starts it. On an error the runner is aborted. */
    enum err (*resume)(void *owner, struct link *l, const struct fields *head,
                       struct session_runner *r, const struct kept_state *k);
    /* As in struct kept_settings. */
    void (*on_park)(void *owner, struct link *l, struct str user, const struct session_save *save,
                    uint32_t id);
    void *owner;
};

struct admission {
    struct admission_settings s;
    struct ticket_checker *checker;
    struct kept_desk *kept;
};

/* Borrows all that s names. Reads ticket_public, seal_key and parked_life_s. Errors: those of ticket_checker_new(), kept_desk_new(). */
MUST_USE enum err admission_init(struct admission *a, const struct admission_settings *s);
/* All zero is fine, too. */
void admission_release(struct admission *a);

/* Is a user's account one of this process? */
bool admission_is_ours(const struct admission *a, struct str user);
/* Whose session the open message head, that came over l, asks for. Errors: those of ticket_check(). */
MUST_USE enum err admission_check_ticket(struct admission *a, const struct link *l,
                                         const struct fields *head, enum service service,
                                         struct ticket *out);
/* A state that came over l with head: what it says, if it is good here. Errors: ERR_TICKET. */
MUST_USE enum err admission_open_state(struct admission *a, const struct link *l,
                                       const struct fields *head, struct str state,
                                       struct kept_state *out);
/* For a handler's on_resume: a session of group on s (taken) goes on, or ends. */
void admission_resume(struct admission *a, struct session_group *group, struct link *l,
                      struct str head, struct str state, struct stream *s);

#endif
