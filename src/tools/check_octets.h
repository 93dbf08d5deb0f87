#ifndef LIMETTA_TOOLS_CHECK_OCTETS_H
#define LIMETTA_TOOLS_CHECK_OCTETS_H

#include "base/buf.h"
#include "base/str.h"
#include "tools/check_report.h"

#include <stdbool.h>

/* Octets that show what a path does to octets: sections with a mark before each, one for each way in which boxes damage mail. Sent,
 * fetched and compared, each section names its own damage. Pure. */

/* Appends the content. is_binary: with NUL, controls, bare CR and LF, and a line far too long; else what 8BITMIME may carry. About
 * 24 KiB, so that it crosses every MTU. */
void check_octets_write(struct buf *out, bool is_binary);
/* Appends empty lines: for a server that waits for octets which were lost on the way. */
enum { CHECK_PADDING = 1024 };
void check_octets_pad(struct buf *out, unsigned lines);
/* Did all of it come, whatever else happened to it? */
bool check_octets_have_end(struct str got);
/* Compares what came back; how: "APPEND", for the findings. True: it is the same. */
bool check_octets_compare(struct check_leg *leg, const char *how, struct str sent, struct str got);
/* SHA-256 as hex. */
void check_octets_hash(struct str s, struct buf *out);

#endif
