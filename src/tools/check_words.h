#ifndef LIMETTA_TOOLS_CHECK_WORDS_H
#define LIMETTA_TOOLS_CHECK_WORDS_H

#include "base/str.h"
#include "tools/check_report.h"
#include "wire/smtp_framing.h"

#include <stdbool.h>

/* What a server says of itself before TLS, held against what it says under TLS, where nobody on the path can change it. Lists hold
 * one word, or one line of EHLO, before each LF. Pure: findings go to the leg. */

/* Judges the first line of a server: masked, cut. */
void check_greeting_smtp(struct check_leg *leg, struct str text);
void check_greeting_imap(struct check_leg *leg, struct str text);
/* The words of a capability list. */
void check_words_take_capability(struct str words, struct buf *out);
/* The lines of an EHLO reply, and how the server calls itself. */
void check_words_take_ehlo(const struct smtp_reply *r, struct buf *name, struct buf *out);
/* Is word offered? Its arguments do not matter. */
bool check_words_has(const struct buf *words, struct str word);
/* A word that mail inspection of firewalls wrote over: XXXXXXXA. Empty: there is none. */
struct str check_words_find_masked(const struct buf *words);
/* Holds the list from before TLS against the one under it. Both are there. */
void check_words_compare(struct check_leg *leg);
/* Holds what the server calls itself against each other (SMTP). */
void check_names_compare(struct check_leg *leg);
/* Are these words, separated by spaces, offered under TLS? */
void check_words_expect(struct check_leg *leg, struct str words);

#endif
