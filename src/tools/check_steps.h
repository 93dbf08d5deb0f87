#ifndef LIMETTA_TOOLS_CHECK_STEPS_H
#define LIMETTA_TOOLS_CHECK_STEPS_H

#include "tools/check_dialogue.h"

/* What the dialogues of all services do alike: the words differ, and what the answers mean for who is on the path does not. Findings go to
 * the leg. False: the conversation is over. */

enum { CHECK_SHOWN_MOST = 200 }; /* octets of an answer that a finding shows */

/* The greeting came, or did not; line: its first, which is noted. */
bool check_hear_greeting(struct check_dialogue *d, enum talk_result r, struct str line);
/* words, which are those of the leg, were offered now: before TLS, or under it. */
void check_note_offers(struct check_dialogue *d, const struct buf *words);
/* STARTTLS was answered: begins TLS when it was taken. answer: as it is shown. */
bool check_start_tls(struct check_dialogue *d, bool is_taken, struct str answer);
/* So many octets of NOOPs were sent at once, more than a packet holds, after small things passed; r: what came of it. */
bool check_end_bulk(struct check_dialogue *d, enum talk_result r, size_t octets);
/* All was heard that is heard before a login. */
void check_note_line_ends(struct check_dialogue *d);

#endif
