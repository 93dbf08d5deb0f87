#ifndef LIMETTA_TOOLS_DESK_LINK_H
#define LIMETTA_TOOLS_DESK_LINK_H

#include "base/buf.h"
#include "net/fields.h"

#include <stdbool.h>

/* A tool's side of a desk (main/desk.h): asks a process of the running server by its Unix socket in the state folder. */

/* A connection to <state>/run/<name>; -1 with errno: nobody listens there, or we may not. */
int desk_link_open(const char *state, const char *name);
/* Sends a block (its lines, without the empty one behind) and appends the whole answer.
 * Errors: ERR_PEER_GONE, ERR_TOO_BIG (the bound of a buffer). */
MUST_USE enum err desk_link_ask(int fd, struct str request, struct buf *answer);
/* The last block of an answer; empty: it is not whole. */
struct str desk_link_find_end(struct str answer);
/* Takes the next block off *answer; false: there is none. f is the caller's to release. */
bool desk_link_next(struct str *answer, struct fields *f);

#endif
