#ifndef LIMETTA_MIME_DATE_H
#define LIMETTA_MIME_DATE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A civil date: proleptic Gregorian, year may be any that int64_t days reach. */
struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
};

/* Days since 1970-01-01, and back. */
int64_t date_to_days(struct civil c);
struct civil date_from_days(int64_t days);
/* Is there such a day? */
bool date_is_real(struct civil c);
/* 1..12 for "Jan".."Dec" (without case); 0 for anything else. */
unsigned date_find_month(struct str name);

/* Reads a Date: value (RFC 5322, 3.3 and 4.3): Unix time, and the zone in seconds east. Day of week, seconds and zone may be
 * missing (no or an unknown zone is 0), comments and odd spaces may be there. Errors: ERR_SYNTAX. */
MUST_USE enum err date_parse(struct str value, int64_t *unix_s, int32_t *zone_s);

/* Seconds east of UTC that the zone of this machine (TZ) is at that time. Whoever has no files any more has called tzset() before. */
int32_t date_find_zone(int64_t unix_s);

#endif
