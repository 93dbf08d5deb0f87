#ifndef LIMETTA_TEST_SCRIPT_H
#define LIMETTA_TEST_SCRIPT_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The world of a script: a store in a new temporary folder, a virtual clock, sessions by name. Everything that a call causes
 * has happened when it returns. */
struct script;
struct script_session;

/* What sessions go through besides: nothing; each one that rests leaves its process and is made again when it is spoken to, or its
 * mailbox changes; all of them lose their process whenever one is spoken to. The first two hear the same. */
enum script_life { SCRIPT_LIVES, SCRIPT_PARKS, SCRIPT_CRASHES };

struct script *script_new(void);
void script_set_life(struct script *s, enum script_life life);
/* From now on the session is not among them. */
void script_keep(struct script_session *x);
/* false: the session cannot leave its process now. */
bool script_park(struct script_session *x);
/* The process dies, and another one goes on. unheard: the last octets that it said since it could be saved did not reach the client. */
void script_crash(struct script_session *x, size_t unheard);
/* The same, after so many steps from now on. */
void script_crash_after(struct script_session *x, unsigned steps);
/* Removes the folder, too. */
void script_free(struct script **s);

/* From now on octets reach the sessions one by one. */
void script_set_slow(struct script *s);
/* Whose account sessions that are opened later have. Copied. */
void script_set_user(struct script *s, struct str user);
/* Sessions opened later speak ManageSieve. */
void script_set_managesieve(struct script *s);
/* Whose mailboxes are "Shared/..." for sessions opened later. */
void script_set_shared_account(struct script *s, struct str user);
/* Opens a session; its greeting (tag "L") waits to be heard. */
struct script_session *script_open(struct script *s, struct str name);
void script_close(struct script *s, struct str name);
/* The session of that name; opened, with its greeting heard, when there is none. */
struct script_session *script_get_session(struct script *s, struct str name);
/* Closes all sessions and the store, and opens the store again. */
void script_restart(struct script *s);
void script_advance(struct script *s, uint64_t ms);
/* From now on the clock moves on by ms whenever a session is stepped. */
void script_set_pace(struct script *s, uint64_t ms);
/* News that a session did not ask for gather for ms before it is stepped. */
void script_set_window(struct script *s, uint64_t ms);
/* Messages that one command of sessions opened later may work on; 0: any number. */
void script_set_limit(struct script *s, uint32_t n);
/* Makes the mailboxes prefix0 ... of the current user. */
bool script_make_mailboxes(struct script *s, struct str prefix, uint32_t n);
/* Appends n small messages to a mailbox of the current user. */
bool script_fill(struct script *s, struct str mailbox, uint32_t n);

/* Puts all mail into the text index, as the store's role does it in its idle time. */
void script_index(struct script *s);

/* Somebody is going to speak; with SCRIPT_CRASHES all sessions lose their process. */
void script_begin_turn(struct script *s);
void script_send(struct script_session *s, struct str octets);
/* The next line that was said, with its literals, without its line end; borrowed until the next call. */
bool script_next_line(struct script_session *s, struct str *out);
/* What was said and not heard. */
struct str script_peek(const struct script_session *s);
struct str script_peek_all(const struct script *s);
bool script_is_silent(const struct script_session *s);
bool script_has_ended(const struct script_session *s);

#endif
