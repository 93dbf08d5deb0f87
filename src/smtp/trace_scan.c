/* One pass over the header as it streams by, field by field. A field counts with its first FIELD_MOST octets: names, addresses
 * and ids are far shorter. More Delivered-To fields than fit into PASSED_MOST belong to a loop, which the count of Received
 * fields ends. */
#include "smtp/trace_scan.h"

enum { FIELD_MOST = 2048, PASSED_MOST = 32 * 1024 };

void trace_scan_init(struct trace_scan *t)
{
    *t = (struct trace_scan){.field = BUF_INIT(FIELD_MOST),
                             .passed = BUF_INIT(PASSED_MOST),
                             .message_id = BUF_INIT(FIELD_MOST)};
}

void trace_scan_release(struct trace_scan *t)
{
    buf_release(&t->field);
    buf_release(&t->passed);
    buf_release(&t->message_id);
}

/* Added or changed by servers on the way, so two copies of one message differ in it. */
static bool is_trace_name(struct str name)
{
    static const struct str NAMES[] = {STR("Received"),     STR("Return-Path"),
                                       STR("Delivered-To"), STR("X-Original-To"),
                                       STR("Envelope-To"),  STR("X-Received")};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq_nocase(NAMES[i], name)) {
            return true;
        }
    }
    return false;
}

static struct str get_name(const struct trace_scan *t)
{
    struct str field = buf_str(&t->field);
    return str_trim(str_split(&field, ':'));
}

static void identify(struct trace_scan *t, struct str octets)
{
    if (t->on_identity != NULL && octets.n > 0) {
        t->on_identity(t->owner, octets);
    }
}

static void end_field(struct trace_scan *t)
{
    struct str value = buf_str(&t->field);
    if (!is_trace_name(get_name(t))) {
        identify(t, value);
    }
    struct str name = str_trim(str_split(&value, ':'));
    value = str_trim(value);
    if (str_eq_nocase(name, STR("Received"))) {
        t->hops++;
    } else if (str_eq_nocase(name, STR("Delivered-To")) && value.n > 0
               && t->passed.len + value.n < PASSED_MOST) {
        buf_add(&t->passed, value);
        buf_add_char(&t->passed, '\n');
    } else if (str_eq_nocase(name, STR("Message-ID")) && t->message_id.len == 0) {
        buf_add(&t->message_id, value);
    } else if (str_eq_nocase(name, STR("TLS-Required"))) {
        t->is_tls_optional = ++t->tls_fields == 1 && str_eq_nocase(value, STR("No"));
    }
    buf_clear(&t->field);
}

static void begin_line(struct trace_scan *t, char first)
{
    if (first != ' ' && first != '\t') {
        end_field(t);
    }
    t->is_over = first == '\r' || first == '\n';
}

/* What does not fit any more is told at once: it comes before what is held then, but always so. */
static void hold(struct trace_scan *t, struct str piece)
{
    size_t room = FIELD_MOST - t->field.len;
    buf_add(&t->field, str_sub(piece, 0, room));
    if (piece.n > room && !is_trace_name(get_name(t))) {
        identify(t, str_skip(piece, room));
    }
}

void trace_scan_add(struct trace_scan *t, struct str octets)
{
    while (octets.n > 0 && !t->is_over) {
        size_t end = str_find_char(octets, '\n');
        struct str piece = str_sub(octets, 0, end);
        if (!t->is_inside_line) {
            begin_line(t, octets.p[0]);
        }
        hold(t, piece);
        t->is_inside_line = end == octets.n;
        octets = str_skip(octets, end + 1);
    }
    if (t->is_over && t->is_inside_line) { /* the rest of the empty line */
        size_t end = str_find_char(octets, '\n');
        t->is_inside_line = end == octets.n;
        octets = str_skip(octets, end + 1);
    }
    if (t->is_over) {
        identify(t, octets);
    }
}

void trace_scan_finish(struct trace_scan *t)
{
    if (!t->is_over) {
        end_field(t);
        t->is_over = true;
    }
}

unsigned trace_scan_get_hops(const struct trace_scan *t)
{
    return t->hops;
}

bool trace_scan_has_passed(const struct trace_scan *t, struct str address)
{
    struct str rest = buf_str(&t->passed);
    while (rest.n > 0) {
        if (str_eq_nocase(str_split(&rest, '\n'), address)) {
            return true;
        }
    }
    return false;
}

bool trace_scan_is_tls_optional(const struct trace_scan *t)
{
    return t->is_tls_optional;
}

struct str trace_scan_get_message_id(const struct trace_scan *t)
{
    return buf_str(&t->message_id);
}
