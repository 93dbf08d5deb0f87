#ifndef LIMETTA_WIRE_IMAP_DATE_H
#define LIMETTA_WIRE_IMAP_DATE_H

#include "wire/imap_scan.h"
#include "wire/imap_write.h"

#include <stdbool.h>
#include <stdint.h>

/* The calendar under IMAP's and RFC 3339's dates: the proleptic Gregorian one, UTC, without leap seconds. What commands use
 * is declared in imap_scan.h and imap_write.h. */

struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
};

/* Days since 1970-01-01. The date must exist. */
int64_t days_from_civil(int year, unsigned month, unsigned day);
struct civil civil_from_unix(int64_t unix_s);
/* month: 1..12. */
unsigned days_in_month(int year, unsigned month);
/* Exactly n digits, value at most max, or the scan fails. */
unsigned scan_digits(struct scan *c, size_t n, unsigned max, const char *expected);

/* date-time of RFC 3339, 5.6, as Unix time; fractions of a second are dropped. Fails with ERR_SYNTAX. */
int64_t scan_rfc3339(struct scan *c);

#endif
