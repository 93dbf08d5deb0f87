/* Tests of dates (RFC 5260): of a header field, and of now. */
#include "sieve/control.h"

#include "mime/date.h"
#include "mime/field.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

#include <stdio.h>

/* A point in time as a zone sees it. */
struct moment {
    int64_t days; /* since 1970-01-01, there */
    unsigned second_of_day;
    int32_t zone_s;
    struct civil civil;
};

enum { DAY_S = 86400, MJD_OF_1970 = 40587, PART_MOST = 48 };

static struct moment moment_make(int64_t unix_s, int32_t zone_s)
{
    int64_t local = unix_s + zone_s;
    struct moment m = {.days = local / DAY_S - (local % DAY_S < 0), .zone_s = zone_s};
    m.second_of_day = (unsigned)(local - m.days * DAY_S);
    m.civil = date_from_days(m.days);
    return m;
}

static unsigned get_weekday(const struct moment *m)
{
    return (unsigned)(((m->days + 4) % 7 + 7) % 7);
}

static void write_zone(const struct moment *m, const char *separator, char out[static PART_MOST])
{
    int32_t minutes = (m->zone_s < 0 ? -m->zone_s : m->zone_s) / 60;
    snprintf(out, PART_MOST, "%c%02d%s%02d", m->zone_s < 0 ? '-' : '+', minutes / 60, separator,
             minutes % 60);
}

static void write_date(const struct moment *m, char out[static PART_MOST])
{
    snprintf(out, PART_MOST, "%04lld-%02u-%02u", (long long)m->civil.year, m->civil.month,
             m->civil.day);
}

static void write_time(const struct moment *m, char out[static PART_MOST])
{
    unsigned s = m->second_of_day;
    snprintf(out, PART_MOST, "%02u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
}

/* "a time zone offset of zero MUST be represented by "Z"" (4.2). */
static void write_iso8601(const struct moment *m, char out[static PART_MOST])
{
    char date[PART_MOST];
    char time[PART_MOST];
    char zone[PART_MOST] = "Z";
    write_date(m, date);
    write_time(m, time);
    if (m->zone_s / 60 != 0) {
        write_zone(m, ":", zone);
    }
    snprintf(out, PART_MOST, "%.12sT%.8sZ", date, time);
    snprintf(out + strlen(out) - 1, 8, "%.7s", zone);
}

static void write_std11(const struct moment *m, char out[static PART_MOST])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char time[PART_MOST];
    char zone[PART_MOST];
    write_time(m, time);
    write_zone(m, "", zone);
    snprintf(out, PART_MOST, "%.3s, %02u %.3s %04lld %.8s %.5s", days + get_weekday(m) * 3,
             m->civil.day, months + (m->civil.month - 1) * 3, (long long)m->civil.year, time, zone);
}

static void write_zone_part(const struct moment *m, char out[static PART_MOST])
{
    write_zone(m, "", out);
}

static long long get_number(const struct moment *m, unsigned which)
{
    const long long numbers[] = {
        m->civil.year,         m->civil.month,          m->civil.day,
        m->days + MJD_OF_1970, m->second_of_day / 3600, m->second_of_day / 60 % 60,
        m->second_of_day % 60, get_weekday(m)};
    return numbers[which];
}

/* The parts (4.2): numbers with so many digits, and the others. */
static const struct {
    const char *name;
    int digits;
    void (*write)(const struct moment *m, char out[static PART_MOST]);
} parts[] = {{"year", 4, NULL},
             {"month", 2, NULL},
             {"day", 2, NULL},
             {"julian", 1, NULL},
             {"hour", 2, NULL},
             {"minute", 2, NULL},
             {"second", 2, NULL},
             {"weekday", 1, NULL},
             {"date", 0, write_date},
             {"time", 0, write_time},
             {"iso8601", 0, write_iso8601},
             {"std11", 0, write_std11},
             {"zone", 0, write_zone_part}};
enum { PART_COUNT = sizeof(parts) / sizeof(parts[0]) };

static unsigned find_part(struct str name)
{
    unsigned i = 0;
    while (i < PART_COUNT && !str_eq_nocase(name, str_from_c(parts[i].name))) {
        i++;
    }
    return i;
}

/* time-zone = ( "+" / "-" ) 4DIGIT */
static bool read_zone(struct str s, int32_t *zone_s)
{
    uint64_t number;
    if (s.n != 5 || (s.p[0] != '+' && s.p[0] != '-') || !str_to_u64(str_skip(s, 1), 9999, &number)
        || number % 100 > 59) {
        return false;
    }
    int32_t seconds = (int32_t)(number / 100 * 3600 + number % 100 * 60);
    *zone_s = s.p[0] == '-' ? -seconds : seconds;
    return true;
}

/* The date-part is the last but one of the arguments. */
static enum err check_date(struct sieve_compiler *c, const struct sieve_node *n,
                           const struct sieve_arg *part)
{
    if (part->strings[0].pieces == NULL && find_part(part->strings[0].text) == PART_COUNT) {
        return sieve_compile_fail(c, n->line, "A date has no part \"%.*s\"",
                                  STR_ARG(str_sub(part->strings[0].text, 0, 60)));
    }
    const struct sieve_arg *zone = sieve_node_find(n, SIEVE_TAG_ZONE);
    int32_t zone_s;
    if (zone != NULL && zone->strings[0].pieces == NULL
        && !read_zone(zone->strings[0].text, &zone_s)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no time zone, as \"+0200\" is one",
                                  STR_ARG(str_sub(zone->strings[0].text, 0, 60)));
    }
    return ERR_OK;
}

enum err sieve_date_check(struct sieve_compiler *c, struct sieve_node *n)
{
    TRY(check_date(c, n, &n->params[1]));
    return sieve_index_check(c, n);
}

enum err sieve_currentdate_check(struct sieve_compiler *c, struct sieve_node *n)
{
    return check_date(c, n, &n->params[0]);
}

static enum err get_zone(struct sieve_run *r, const struct sieve_node *n, int32_t original_s,
                         int32_t *out)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_ZONE);
    *out = sieve_node_has(n, SIEVE_TAG_ORIGINALZONE) ? original_s : r->env->zone_s;
    if (arg == NULL) {
        return ERR_OK;
    }
    struct str zone;
    TRY(sieve_expand_one(r, arg, &zone));
    if (!read_zone(zone, out)) {
        return sieve_run_fail(r, "\"%.*s\" is no time zone, as \"+0200\" is one",
                              STR_ARG(str_sub(zone, 0, 60)));
    }
    return ERR_OK;
}

static enum err give_moment(struct sieve_match *m, const struct moment *when,
                            const struct sieve_arg *part)
{
    struct str name;
    TRY(sieve_expand_one(m->run, part, &name));
    unsigned which = find_part(name);
    if (which == PART_COUNT) {
        return sieve_run_fail(m->run, "A date has no part \"%.*s\"", STR_ARG(str_sub(name, 0, 60)));
    }
    char text[PART_MOST];
    if (parts[which].write != NULL) {
        parts[which].write(when, text);
    } else {
        snprintf(text, sizeof(text), "%0*lld", parts[which].digits, get_number(when, which));
    }
    return sieve_match_give(m, str_from_c(text));
}

/* A field that is a date, or ends with one behind a semicolon, as Received does. */
static bool read_date(const struct sieve_field *f, int64_t *unix_s, int32_t *zone_s)
{
    struct buf text = BUF_INIT(f->value.n + 1);
    field_unfold(f->value, &text);
    struct str value = buf_str(&text);
    enum err e = date_parse(value, unix_s, zone_s);
    size_t semicolon = str_find_last_char(value, ';');
    if (e != ERR_OK && semicolon < value.n) {
        e = date_parse(str_skip(value, semicolon + 1), unix_s, zone_s);
    }
    buf_release(&text);
    return e == ERR_OK;
}

enum err sieve_date_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    struct sieve_strings names;
    TRY(sieve_message_read(r));
    TRY(sieve_expand_list(r, &n->params[0], &names));
    TRY(sieve_match_init(&m, r, n, &n->params[2]));
    struct sieve_fields fields = sieve_fields_make(&names, n);
    const struct sieve_field *f = sieve_fields_next(r, &fields);
    TRY(sieve_fields_spend(r, &fields));
    int64_t unix_s;
    int32_t original_s;
    TRY(f != NULL ? sieve_run_spend(r, sieve_field_count_steps(f)) : ERR_OK);
    if (f != NULL && read_date(f, &unix_s, &original_s)) {
        int32_t zone_s;
        TRY(get_zone(r, n, original_s, &zone_s));
        struct moment when = moment_make(unix_s, zone_s);
        TRY(give_moment(&m, &when, &n->params[1]));
    }
    return sieve_match_finish(&m, out);
}

/* "All currentdate tests in a single Sieve script MUST refer to the same point in time" (5): the environment's. */
enum err sieve_currentdate_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    int32_t zone_s;
    TRY(get_zone(r, n, r->env->zone_s, &zone_s));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    struct moment when = moment_make(r->env->now_s, zone_s);
    TRY(give_moment(&m, &when, &n->params[0]));
    return sieve_match_finish(&m, out);
}
