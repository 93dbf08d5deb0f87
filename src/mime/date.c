/* Dates of RFC 5322.
 *
 *   [day-of-week ","] day month year hour ":" minute [":" second] [zone]
 *
 * Tolerated beyond the obsolete syntax of section 4.3: any order of white space and comments, "-" between day, month and
 * year, a day of week without its comma or with its full name, month names in full, asctime()'s order ("Mon Jan  2
 * 10:00:00 2006"), no seconds, no zone. Two-digit years are 2000-2049 and 1950-1999, three-digit ones count from 1900.
 * The leap second :60 is read as :59. A date that no calendar has (31 Feb) is refused.
 *
 * Days from civil dates: years begin in March, so that the leap day is the last, and come in eras of 400. */
#include "mime/date.h"

#include "mime/lex.h"

#include <stddef.h>
#include <time.h>

enum { ERA_DAYS = 146097, DAYS_TO_1970 = 719468, DAY_S = 86400 };

int64_t date_to_days(struct civil c)
{
    int64_t year = c.year - (c.month <= 2 ? 1 : 0);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (c.month + 9) % 12; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + c.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

struct civil date_from_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil c = {.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
                      .month = (unsigned)(month < 10 ? month + 3 : month - 9)};
    c.year = year_of_era + era * 400 + (c.month <= 2 ? 1 : 0);
    return c;
}

bool date_is_real(struct civil c)
{
    static const unsigned char DAYS[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
    return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= DAYS[c.month - 1]
           && (c.month != 2 || c.day <= 28 || is_leap);
}

/* Position (1-based) of the entry of a run of three-letter names that name begins with; 0: none. */
static unsigned find_name(struct str name, const char *names)
{
    for (unsigned i = 0; names[i * 3] != '\0' && name.n >= 3; i++) {
        if (str_eq_nocase(str_sub(name, 0, 3), str_make(names + i * (size_t)3, 3))) {
            return i + 1;
        }
    }
    return 0;
}

unsigned date_find_month(struct str name)
{
    return name.n == 3 ? find_name(name, "JanFebMarAprMayJunJulAugSepOctNovDec") : 0;
}

static bool is_letter(char c)
{
    return ascii_is_alpha(c);
}

/* One token: a run of letters, or of digits; anything else is one octet. */
static struct str take_token(struct lex *l)
{
    (void)lex_skip_cfws(l, NULL);
    struct str rest = str_skip(l->s, l->at);
    bool (*is_member)(char) = rest.n > 0 && is_letter(rest.p[0]) ? is_letter : ascii_is_digit;
    size_t n = 0;
    while (n < rest.n && is_member(rest.p[n])) {
        n++;
    }
    n = n == 0 && rest.n > 0 ? 1 : n;
    l->at += n;
    return str_sub(rest, 0, n);
}

static struct str peek_token(const struct lex *l)
{
    struct lex ahead = *l;
    return take_token(&ahead);
}

static bool accept(struct lex *l, struct str token)
{
    if (!str_eq(peek_token(l), token)) {
        return false;
    }
    (void)take_token(l);
    return true;
}

/* Digits with a value of at most max; false when there are none. digits: how many there were. */
static bool take_number(struct lex *l, unsigned max, unsigned *out, size_t *digits)
{
    struct str t = peek_token(l);
    uint64_t v = 0;
    if (t.n > 9 || !str_to_u64(t, max, &v)) {
        return false;
    }
    (void)take_token(l);
    *out = (unsigned)v;
    if (digits != NULL) {
        *digits = t.n;
    }
    return true;
}

static bool take_month(struct lex *l, unsigned *out)
{
    *out = find_name(peek_token(l), "JanFebMarAprMayJunJulAugSepOctNovDec");
    if (*out == 0) {
        return false;
    }
    (void)take_token(l);
    return true;
}

static bool take_year(struct lex *l, int64_t *out)
{
    unsigned year = 0;
    size_t digits = 0;
    if (!take_number(l, 9999, &year, &digits)) {
        return false;
    }
    if (digits <= 2) {
        year += year < 50 ? 2000 : 1900;
    } else if (digits == 3) {
        year += 1900;
    }
    *out = year;
    return true;
}

static bool take_time(struct lex *l, int64_t *out)
{
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
    if (!take_number(l, 23, &hour, NULL) || !(accept(l, STR(":")) || accept(l, STR(".")))
        || !take_number(l, 59, &minute, NULL)) {
        return false;
    }
    if ((accept(l, STR(":")) || accept(l, STR("."))) && !take_number(l, 60, &second, NULL)) {
        return false;
    }
    *out = (int64_t)hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
    return true;
}

/* Zone names of RFC 5322, 4.3; the single letters of RFC 822 were defined wrongly there, and count as unknown. */
static int32_t find_zone_name(struct str name)
{
    static const struct {
        char name[4];
        int hours;
    } ZONES[] = {{"EDT", -4}, {"EST", -5}, {"CDT", -5}, {"CST", -6},
                 {"MDT", -6}, {"MST", -7}, {"PDT", -7}, {"PST", -8}};
    for (size_t i = 0; i < sizeof(ZONES) / sizeof(ZONES[0]); i++) {
        if (str_eq_nocase(name, str_from_c(ZONES[i].name))) {
            return ZONES[i].hours * 3600;
        }
    }
    return 0;
}

static int32_t take_zone(struct lex *l)
{
    struct str sign = peek_token(l);
    if (!str_eq(sign, STR("+")) && !str_eq(sign, STR("-"))) {
        return find_zone_name(sign);
    }
    (void)take_token(l);
    unsigned v = 0;
    size_t digits = 0;
    if (!take_number(l, 9999, &v, &digits)) {
        return 0;
    }
    unsigned minutes = 0;
    if (digits <= 2 && accept(l, STR(":"))) {
        (void)take_number(l, 59, &minutes, NULL);
        v = v * 100 + minutes;
    }
    int32_t east = (int32_t)(v / 100 * 3600 + v % 100 * 60);
    return str_eq(sign, STR("-")) ? -east : east;
}

/* Reads all but the day of week. */
static bool take_date_time(struct lex *l, struct civil *day, int64_t *time_s, int32_t *zone_s)
{
    if (take_month(l, &day->month)) { /* asctime() */
        if (!take_number(l, 31, &day->day, NULL) || !take_time(l, time_s)) {
            return false;
        }
        *zone_s = take_zone(l);
        if (find_name(peek_token(l), "UTCGMTESTEDTCSTCDTMSTMDTPSTPDT") != 0) {
            (void)take_token(l);
        }
        return take_year(l, &day->year);
    }
    if (!take_number(l, 31, &day->day, NULL)) {
        return false;
    }
    (void)accept(l, STR("-"));
    if (!take_month(l, &day->month)) {
        return false;
    }
    (void)accept(l, STR("-"));
    (void)accept(l, STR(","));
    if (!take_year(l, &day->year)) {
        return false;
    }
    (void)accept(l, STR(","));
    if (!take_time(l, time_s)) {
        return false;
    }
    *zone_s = take_zone(l);
    return true;
}

enum err date_parse(struct str value, int64_t *unix_s, int32_t *zone_s)
{
    struct lex l = lex_make(value);
    struct civil day = {0};
    int64_t time_s = 0;
    int32_t zone = 0;
    if (find_name(peek_token(&l), "MonTueWedThuFriSatSun") != 0) {
        (void)take_token(&l);
    }
    while (accept(&l, STR(",")) || accept(&l, STR("."))) {
    }
    if (!take_date_time(&l, &day, &time_s, &zone) || !date_is_real(day)) {
        return ERR_SYNTAX;
    }
    *unix_s = date_to_days(day) * DAY_S + time_s - zone;
    *zone_s = zone;
    return ERR_OK;
}

int32_t date_find_zone(int64_t unix_s)
{
    time_t then = (time_t)unix_s;
    struct tm local = {0};
    return localtime_r(&then, &local) != NULL ? (int32_t)local.tm_gmtoff : 0;
}
