#ifndef LIMETTA_IMAP_FILTERS_H
#define LIMETTA_IMAP_FILTERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>

/* Named searches (RFC 5466): server annotations whose values are search criteria. */

struct annotation;
struct imap_session;

/* filter-name = 1*<any ATOM-CHAR except "/"> */
struct str scan_filter_name(struct scan *c);
/* The criteria of the session's filter called name, the private one before the shared one, copied to a. false: there is none, or
 * it could not be read. */
bool filters_find(const struct imap_session *s, struct arena *a, struct str name, struct str *out);
/* The server annotation is a filter. */
bool filters_is_value(struct str annotation_name);
/* Is it a filter's name, and its value whole search criteria? Filters it names need not exist. Errors: ERR_BAD_FILTER. */
MUST_USE enum err filters_check(const struct annotation *x);

#endif
