/* Dates of IMAP (RFC 3501, 9: date, date-time), to and from Unix time.
 *
 * The calendar is arithmetic, not tables of leap years: years begin in March, so that the leap day is the last of a
 * year, and 400 years are 146097 days. No libc function is asked, for those know locales and time zones. */
#include "wire/imap_date.h"

#include "wire/chars.h"

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

int64_t days_from_civil(int year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil civil_from_unix(int64_t unix_s)
{
    int64_t days = unix_s / 86400 - (unix_s % 86400 < 0 ? 1 : 0);
    int64_t second = unix_s - days * 86400;
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    struct civil t;
    t.day = (unsigned)(day_of_year - (153 * m + 2) / 5 + 1);
    t.month = (unsigned)(m < 10 ? m + 3 : m - 9);
    t.year = year_of_era + era * 400 + (t.month <= 2 ? 1 : 0);
    t.hour = (unsigned)(second / 3600);
    t.minute = (unsigned)(second / 60 % 60);
    t.second = (unsigned)(second % 60);
    return t;
}

unsigned days_in_month(int year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Exactly n digits. */
unsigned scan_digits(struct scan *c, size_t n, unsigned max, const char *expected)
{
    uint64_t v = 0;
    size_t start = c->at;
    struct str digits = scan_take(c, n, expected);
    if (scan_is_ok(c) && !str_to_u64(digits, max, &v)) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, expected);
    }
    return (unsigned)v;
}

/* date-month: 1..12 */
static unsigned scan_month(struct scan *c)
{
    struct str name = scan_take(c, 3, "a month");
    for (unsigned i = 0; i < 12 && scan_is_ok(c); i++) {
        if (str_eq_nocase(name, str_make(MONTHS + (size_t)3 * i, 3))) {
            return i + 1;
        }
    }
    scan_fail(c, ERR_SYNTAX, "a month");
    return 1;
}

/* "-" date-month "-" date-year, behind the day; then the day is checked. */
static int64_t scan_month_year(struct scan *c, unsigned day, size_t start)
{
    scan_require(c, '-', "a date");
    unsigned month = scan_month(c);
    scan_require(c, '-', "a date");
    int year = (int)scan_digits(c, 4, 9999, "a year of four digits");
    if (scan_is_ok(c) && (day == 0 || day > days_in_month(year, month))) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a date that exists");
    }
    return scan_is_ok(c) ? days_from_civil(year, month, day) : 0;
}

/* date = date-text / DQUOTE date-text DQUOTE; date-day = 1*2DIGIT */
int64_t scan_date(struct scan *c)
{
    bool is_quoted = scan_accept(c, '"');
    size_t start = c->at;
    unsigned day = (unsigned)scan_number(c, 31, "a date");
    if (c->at - start > 2) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a date");
    }
    int64_t days = scan_month_year(c, day, start);
    if (is_quoted) {
        scan_require(c, '"', "a closing quote");
    }
    return days;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT; a leap second counts as the one before it */
static int64_t scan_time(struct scan *c)
{
    unsigned hour = scan_digits(c, 2, 23, "an hour");
    scan_require(c, ':', "a time");
    unsigned minute = scan_digits(c, 2, 59, "a minute");
    scan_require(c, ':', "a time");
    unsigned second = scan_digits(c, 2, 60, "a second");
    return (int64_t)hour * 3600 + (int64_t)minute * 60 + (second == 60 ? 59 : second);
}

/* zone = ("+" / "-") 4DIGIT: seconds east */
static int64_t scan_zone(struct scan *c)
{
    bool is_west = scan_peek(c) == '-';
    if (!is_west && scan_peek(c) != '+') {
        scan_fail(c, ERR_SYNTAX, "a time zone");
        return 0;
    }
    c->at++;
    unsigned hours = scan_digits(c, 2, 23, "a time zone");
    unsigned minutes = scan_digits(c, 2, 59, "a time zone");
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return is_west ? -seconds : seconds;
}

/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE */
int64_t scan_date_time(struct scan *c)
{
    scan_require(c, '"', "a date-time");
    size_t start = c->at;
    unsigned day = scan_accept(c, ' ') ? scan_digits(c, 1, 9, "a day")
                                       : scan_digits(c, 2, 31, "a day of two digits");
    int64_t days = scan_month_year(c, day, start);
    scan_sp(c);
    int64_t time = scan_time(c);
    scan_sp(c);
    int64_t zone = scan_zone(c);
    scan_require(c, '"', "a closing quote");
    return days * 86400 + time - zone;
}

void imap_write_date_time(struct buf *out, int64_t unix_s)
{
    const int64_t first = -62167219200; /* 0000-01-01 */
    const int64_t last = 253402300799;  /* 9999-12-31 23:59:59 */
    unix_s = unix_s < first ? first : unix_s > last ? last : unix_s;
    struct civil t = civil_from_unix(unix_s);
    buf_addf(out, "\"%2u-%.3s-%04u %02u:%02u:%02u +0000\"", t.day,
             MONTHS + (size_t)3 * (t.month - 1), (unsigned)t.year, t.hour, t.minute, t.second);
}

/* ---- RFC 3339 ---- */

/* 1*DIGIT behind "." in a time: dropped. */
static void skip_fraction(struct scan *c)
{
    if (scan_accept(c, '.') && scan_run(c, is_digit_char).n == 0) {
        scan_fail(c, ERR_SYNTAX, "a fraction of a second");
    }
}

/* time-offset = "Z" / ("+" / "-") time-hour ":" time-minute (RFC 3339): seconds east */
static int64_t scan_offset(struct scan *c)
{
    if (scan_accept_nocase(c, STR("Z"))) {
        return 0;
    }
    bool is_west = scan_peek(c) == '-';
    if (!is_west) {
        scan_require(c, '+', "a time offset");
    } else {
        c->at++;
    }
    int64_t hours = scan_digits(c, 2, 23, "a time offset");
    scan_require(c, ':', "a time offset");
    int64_t minutes = scan_digits(c, 2, 59, "a time offset");
    return (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/* date-time of RFC 3339, 5.6 */
int64_t scan_rfc3339(struct scan *c)
{
    int year = (int)scan_digits(c, 4, 9999, "a year");
    scan_require(c, '-', "a date");
    unsigned month = scan_digits(c, 2, 12, "a month");
    scan_require(c, '-', "a date");
    unsigned day = scan_digits(c, 2, 31, "a day");
    if (!scan_accept_nocase(c, STR("T"))) {
        scan_fail(c, ERR_SYNTAX, "a T");
    }
    int64_t hour = scan_digits(c, 2, 23, "an hour");
    scan_require(c, ':', "a time");
    int64_t minute = scan_digits(c, 2, 59, "a minute");
    scan_require(c, ':', "a time");
    int64_t second = scan_digits(c, 2, 60, "a second");
    skip_fraction(c);
    int64_t offset = scan_offset(c);
    if (!scan_is_ok(c) || month == 0 || day == 0 || day > days_in_month(year, month)) {
        scan_fail(c, ERR_SYNTAX, "a date that exists");
        return 0;
    }
    return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
}
