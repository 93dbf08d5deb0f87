/* Findings and facts of a check, and how they are told: a verdict a finding, with who must change what, or the same facts as JSON.
 *
 * A finding is a row of check_finding.def and a detail. Tests and scripts go by the code, people by the words. */
#include "tools/check_report.h"

#include "base/utf8.h"
#include "tools/tool.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdarg.h>

enum { SHOWN_MOST = 400, TEXT_MOST = 64 * 1024 };

static const struct {
    const char *code;
    enum severity severity;
    const char *who;
} ROWS[FINDING_COUNT] = {
#define FINDING(name, code, severity, who) {code, SEVERITY_##severity, who},
#include "tools/check_finding.def"
#undef FINDING
};

static const char *const SEVERITIES[] = {"note", "wrong", "environment"};

const char *check_get_code(enum finding_code code)
{
    return ROWS[code].code;
}

enum severity check_get_severity(enum finding_code code)
{
    return ROWS[code].severity;
}

struct check_leg *check_report_add(struct check_report *r, const char *name, uint16_t port)
{
    struct check_leg *leg = &r->legs[r->leg_count++];
    leg->name = name;
    leg->port = port;
    struct buf *bufs[] = {&leg->greeting, &leg->name_plain,  &leg->name_tls, &leg->plain,
                          &leg->tls,      &leg->tls_version, &leg->intact};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
        buf_init(bufs[i], TEXT_MOST);
    }
    struct buf *of_cert[] = {&leg->cert.der, &leg->cert.fingerprint, &leg->cert.subject,
                             &leg->cert.issuer};
    for (size_t i = 0; i < sizeof(of_cert) / sizeof(of_cert[0]); i++) {
        buf_init(of_cert[i], TEXT_MOST);
    }
    return leg;
}

struct check_leg *check_report_find(struct check_report *r, const char *name)
{
    for (unsigned i = 0; i < r->leg_count; i++) {
        if (strcmp(r->legs[i].name, name) == 0) {
            return &r->legs[i];
        }
    }
    return NULL;
}

static void release_leg(struct check_leg *leg)
{
    struct buf *bufs[] = {
        &leg->greeting,     &leg->name_plain,  &leg->name_tls, &leg->plain,
        &leg->tls,          &leg->tls_version, &leg->cert.der, &leg->cert.fingerprint,
        &leg->cert.subject, &leg->cert.issuer, &leg->intact};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
        buf_release(bufs[i]);
    }
    for (size_t i = 0; i < leg->findings.count; i++) {
        buf_release(&leg->findings.at[i].detail);
    }
    vec_release(&leg->findings);
    vec_release(&leg->addresses);
}

void check_report_release(struct check_report *r)
{
    for (unsigned i = 0; i < r->leg_count; i++) {
        release_leg(&r->legs[i]);
    }
    r->leg_count = 0;
}

/* ---- findings ---- */

/* What peers wrote, as something that a terminal and JSON take. */
static void add_clean(struct buf *out, struct str s)
{
    uint32_t c = 0;
    s = str_sub(s, 0, SHOWN_MOST);
    while (s.n > 0) {
        if (!utf8_next(&s, &c)) {
            s = str_skip(s, 1);
            c = '?';
        }
        utf8_add(out, c < 32 || (c >= 127 && c < 160) ? '?' : c);
    }
}

void check_find(struct check_leg *leg, enum finding_code code, const char *format, ...)
{
    struct buf raw = BUF_INIT(CHECK_DETAIL_MOST * 8);
    struct finding f = {code, BUF_INIT(CHECK_DETAIL_MOST * 2)};
    va_list args;
    va_start(args, format);
    buf_vaddf(&raw, format, args);
    va_end(args);
    add_clean(&f.detail, buf_str(&raw));
    buf_release(&raw);
    bool is_known = leg->findings.count >= CHECK_FINDINGS_MOST;
    for (size_t i = 0; i < leg->findings.count; i++) {
        const struct finding *other = &leg->findings.at[i];
        is_known = is_known
                   || (other->code == code && str_eq(buf_str(&other->detail), buf_str(&f.detail)));
    }
    if (is_known) {
        buf_release(&f.detail);
        return;
    }
    vec_push(&leg->findings, f);
}

bool check_has(const struct check_leg *leg, enum finding_code code)
{
    for (size_t i = 0; i < leg->findings.count; i++) {
        if (leg->findings.at[i].code == code) {
            return true;
        }
    }
    return false;
}

static bool has_severity(const struct check_report *r, enum severity s)
{
    for (unsigned i = 0; i < r->leg_count; i++) {
        for (size_t k = 0; k < r->legs[i].findings.count; k++) {
            if (ROWS[r->legs[i].findings.at[k].code].severity == s) {
                return true;
            }
        }
    }
    return false;
}

int check_report_get_exit(const struct check_report *r)
{
    if (has_severity(r, SEVERITY_HERE)) {
        return EXIT_ENVIRONMENT;
    }
    return has_severity(r, SEVERITY_WRONG) ? EXIT_NOT_SO : EXIT_FINE;
}

void check_add_address(struct buf *out, const struct sockaddr_storage *at)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (at->ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)at)->sin6_addr, text,
                        sizeof(text));
        buf_addf(out, "[%s]", text);
        return;
    }
    (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)at)->sin_addr, text, sizeof(text));
    buf_add_c(out, text);
}

/* ---- for people ---- */

static const char *explain_reach(enum reach r)
{
    static const char *const WORDS[] = {"connected", "refused (RST)", "rejected", "no answer",
                                        "no route from here"};
    return WORDS[r];
}

static void write_addresses(const struct check_leg *leg, struct buf *out)
{
    for (size_t i = 0; i < leg->addresses.count; i++) {
        const struct check_address *a = &leg->addresses.at[i];
        buf_add_c(out, i == 0 ? "  " : ", ");
        check_add_address(out, &a->at);
        buf_addf(out, " %s", explain_reach(a->reach));
        if (a->reach == REACH_OK) {
            buf_addf(out, " in %llu ms", (unsigned long long)a->ms);
        }
    }
    buf_add_char(out, '\n');
}

static void write_facts(const struct check_leg *leg, struct buf *out)
{
    if (leg->greeting.len > 0) {
        buf_add_c(out, "  greeting: ");
        add_clean(out, buf_str(&leg->greeting));
        buf_add_char(out, '\n');
    }
    if (leg->has_tls) {
        buf_addf(out, "  %.*s, certificate of ", STR_ARG(buf_str(&leg->tls_version)));
        add_clean(out, buf_str(&leg->cert.subject));
        buf_add_c(out, ", SHA-256 ");
        add_clean(out, buf_str(&leg->cert.fingerprint));
        buf_add_char(out, '\n');
    }
    struct str intact = buf_str(&leg->intact);
    while (intact.n > 0) {
        buf_addf(out, "  octets came back as they went: %.*s\n", STR_ARG(str_split(&intact, '\n')));
    }
    if (leg->idle_good_ms > 0) {
        buf_addf(out, "  silence survived: %llu s\n",
                 (unsigned long long)(leg->idle_good_ms / 1000));
    }
}

static void write_words(const char *before, const struct buf *words, struct buf *out)
{
    struct str s = buf_str(words);
    buf_addf(out, "  %s:", before);
    while (s.n > 0) {
        struct str line = str_split(&s, '\n');
        buf_add_char(out, ' ');
        add_clean(out, str_sub(line, 0, str_find_char(line, ' ')));
    }
    buf_add_char(out, '\n');
}

static void write_hops(const struct check_leg *leg, struct buf *out)
{
    for (size_t i = 0; i < leg->addresses.count; i++) {
        const struct check_address *a = &leg->addresses.at[i];
        for (unsigned k = 0; k < a->hop_count; k++) {
            buf_addf(out, "  hop %u: ", k + 1);
            if (a->hops[k].at.ss_family == 0) {
                buf_add_c(out, "does not say");
            } else {
                check_add_address(out, &a->hops[k].at);
            }
            buf_add_char(out, '\n');
        }
    }
}

static void write_leg(const struct check_leg *leg, bool is_long, struct buf *out)
{
    static const char *const LABELS[] = {"note", "WRONG", "HERE"};
    buf_addf(out, "%s (port %u)\n", leg->name, leg->port);
    if (leg->addresses.count > 0) {
        write_addresses(leg, out);
    }
    write_facts(leg, out);
    if (is_long && leg->has_plain) {
        write_words("offered before TLS", &leg->plain, out);
    }
    if (is_long && leg->has_tls) {
        write_words("offered under TLS", &leg->tls, out);
    }
    if (is_long) {
        write_hops(leg, out);
    }
    for (size_t i = 0; i < leg->findings.count; i++) {
        const struct finding *f = &leg->findings.at[i];
        buf_addf(out, "  %s %s: %.*s\n", LABELS[ROWS[f->code].severity], ROWS[f->code].code,
                 STR_ARG(buf_str(&f->detail)));
        buf_addf(out, "      who: %s\n", ROWS[f->code].who);
    }
}

void check_report_write_text(const struct check_report *r, bool is_long, struct buf *out)
{
    static const char *const VERDICTS[] = {"Nothing is wrong with this path.\n",
                                           "Something on this path is not as it must be.\n", "",
                                           "This host could not check everything; see above.\n"};
    for (unsigned i = 0; i < r->leg_count; i++) {
        write_leg(&r->legs[i], is_long, out);
    }
    buf_add_c(out, VERDICTS[check_report_get_exit(r)]);
    buf_add_c(out, r->has_login
                       ? ""
                       : "Without a login (--user) neither octets nor silence were tried.\n");
}

/* ---- for programs ---- */

static json_t *clean_string(struct str s)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(SHOWN_MOST * 4);
    add_clean(&out, s);
    return json_stringn(out.p == NULL ? "" : out.p, out.len);
}

static json_t *address_string(const struct sockaddr_storage *at)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(128);
    if (at->ss_family == 0) {
        return json_null();
    }
    check_add_address(&out, at);
    return clean_string(buf_str(&out));
}

static json_t *words_array(const struct buf *words)
{
    json_t *list = json_array();
    struct str s = buf_str(words);
    while (s.n > 0) {
        (void)json_array_append_new(list, clean_string(str_split(&s, '\n')));
    }
    return list;
}

static json_t *address_object(const struct check_address *a)
{
    static const char *const REACHES[] = {"ok", "refused", "rejected", "silent", "no-route"};
    json_t *hops = json_array();
    for (unsigned i = 0; i < a->hop_count; i++) {
        (void)json_array_append_new(hops, address_string(&a->hops[i].at));
    }
    return json_pack("{s:o, s:s, s:I, s:i, s:i, s:i, s:o, s:o}", "address", address_string(&a->at),
                     "outcome", REACHES[a->reach], "ms", (json_int_t)a->ms, "errno", a->errnum,
                     "icmp_type", a->icmp_type, "icmp_code", a->icmp_code, "icmp_from",
                     address_string(&a->icmp_from), "hops", hops);
}

static json_t *certificate_object(const struct check_cert *c)
{
    return json_pack(
        "{s:o, s:o, s:o, s:I, s:i, s:b}", "sha256", clean_string(buf_str(&c->fingerprint)),
        "subject", clean_string(buf_str(&c->subject)), "issuer", clean_string(buf_str(&c->issuer)),
        "not_after", (json_int_t)c->not_after_s, "verdict", c->verdict, "is_good", (int)c->is_good);
}

static json_t *findings_array(const struct check_leg *leg)
{
    json_t *list = json_array();
    for (size_t i = 0; i < leg->findings.count; i++) {
        const struct finding *f = &leg->findings.at[i];
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:s}", "code", ROWS[f->code].code, "severity",
                            SEVERITIES[ROWS[f->code].severity], "detail",
                            clean_string(buf_str(&f->detail)), "who", ROWS[f->code].who));
    }
    return list;
}

static json_t *leg_object(const struct check_leg *leg)
{
    json_t *addresses = json_array();
    for (size_t i = 0; i < leg->addresses.count; i++) {
        (void)json_array_append_new(addresses, address_object(&leg->addresses.at[i]));
    }
    json_t *o = json_pack("{s:s, s:i, s:o, s:o}", "leg", leg->name, "port", (int)leg->port,
                          "addresses", addresses, "findings", findings_array(leg));
    if (leg->greeting.len > 0) {
        (void)json_object_set_new(o, "greeting", clean_string(buf_str(&leg->greeting)));
    }
    if (leg->has_plain) {
        (void)json_object_set_new(o, "plain", words_array(&leg->plain));
    }
    if (leg->has_tls) {
        (void)json_object_set_new(o, "tls", words_array(&leg->tls));
        (void)json_object_set_new(o, "tls_version", clean_string(buf_str(&leg->tls_version)));
        (void)json_object_set_new(o, "certificate", certificate_object(&leg->cert));
    }
    if (leg->intact.len > 0) {
        (void)json_object_set_new(o, "intact", words_array(&leg->intact));
    }
    if (leg->idle_good_ms + leg->idle_bad_ms > 0) {
        (void)json_object_set_new(o, "idle_good_ms", json_integer((json_int_t)leg->idle_good_ms));
        (void)json_object_set_new(o, "idle_bad_ms", json_integer((json_int_t)leg->idle_bad_ms));
    }
    return o;
}

enum err check_report_write_json(const struct check_report *r, struct buf *out)
{
    json_t *legs = json_array();
    for (unsigned i = 0; i < r->leg_count; i++) {
        (void)json_array_append_new(legs, leg_object(&r->legs[i]));
    }
    json_t *o = json_pack("{s:o, s:s, s:i, s:o}", "host", clean_string(r->host), "from", r->from,
                          "exit", check_report_get_exit(r), "legs", legs);
    char *text = json_dumps(o, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(o);
    if (text == NULL) {
        return ERR_LIMIT;
    }
    buf_add_c(out, text);
    buf_add_char(out, '\n');
    free(text);
    return buf_err(out);
}
