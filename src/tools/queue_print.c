/* What others wrote (addresses, replies) is shown with controls and what is not UTF-8 replaced, so that no mail can write to
 * the operator's terminal. */
#include "tools/queue_print.h"

#include "base/utf8.h"
#include "tools/json_text.h"

#include <string.h>

void queue_print_time(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s >= 2 * 86400) {
        buf_addf(out, "%llud", (unsigned long long)(s / 86400));
    } else if (s >= 2 * 3600) {
        buf_addf(out, "%lluh", (unsigned long long)(s / 3600));
    } else if (s >= 2 * 60) {
        buf_addf(out, "%llum", (unsigned long long)(s / 60));
    } else {
        buf_addf(out, "%llus", (unsigned long long)s);
    }
}

static void add_size(struct buf *out, uint64_t octets)
{
    if (octets >= 10 * 1024 * 1024) {
        buf_addf(out, "%lluM", (unsigned long long)(octets >> 20));
    } else if (octets >= 10 * 1024) {
        buf_addf(out, "%lluK", (unsigned long long)(octets >> 10));
    } else {
        buf_addf(out, "%llu", (unsigned long long)octets);
    }
}

static void add_clean(struct buf *out, struct str s)
{
    uint32_t c = 0;
    while (s.n > 0) {
        if (!utf8_next(&s, &c)) {
            s = str_skip(s, 1);
            c = '?';
        }
        utf8_add(out, c < 32 || (c >= 127 && c < 160) ? '?' : c);
    }
}

static struct str get(const struct fields *f, const char *key)
{
    return fields_get(f, str_from_c(key));
}

static uint64_t get_number(const struct fields *f, const char *key)
{
    return fields_get_u64(f, str_from_c(key), 0);
}

/* ---- for people ---- */

static void print_until(struct queue_print *p, const char *what, uint64_t at_ms)
{
    if (at_ms > p->now_ms) {
        buf_addf(p->out, ", %s in ", what);
        queue_print_time(p->out, at_ms - p->now_ms);
    }
}

static void print_message(struct queue_print *p, const struct fields *f)
{
    uint64_t arrived = get_number(f, "arrived");
    struct str from = get(f, "from");
    int priority = (int)get_number(f, "priority") - 9;
    buf_addf(p->out, "%8llu  ", (unsigned long long)get_number(f, "id"));
    queue_print_time(p->out, p->now_ms > arrived ? p->now_ms - arrived : 0);
    buf_add_c(p->out, "  ");
    add_size(p->out, get_number(f, "size"));
    buf_add_c(p->out, "  ");
    add_clean(p->out, from.n > 0 ? from : STR("<>"));
    if (get(f, "sender").n > 0) {
        buf_add_c(p->out, " (");
        add_clean(p->out, get(f, "sender"));
        buf_add_c(p->out, ")");
    }
    if (priority != 0) {
        buf_addf(p->out, ", priority %d", priority);
    }
    print_until(p, "released", get_number(f, "release"));
    print_until(p, get(f, "by_mode").n > 0 && get(f, "by_mode").p[0] == 'R' ? "returned" : "due",
                get_number(f, "by"));
    if (get_number(f, "more") > 0) {
        buf_addf(p->out, ", %llu more recipients", (unsigned long long)get_number(f, "more"));
    }
    buf_add_char(p->out, '\n');
}

static void print_reply(struct queue_print *p, const char *before, struct str reply)
{
    if (reply.n > 0) {
        buf_addf(p->out, "            %s", before);
        add_clean(p->out, reply);
        buf_add_char(p->out, '\n');
    }
}

static void print_recipient(struct queue_print *p, const struct fields *f)
{
    buf_add_c(p->out, "          ");
    add_clean(p->out, get(f, "address"));
    buf_addf(p->out, "  %.*s", STR_ARG(get(f, "state")));
    if (get_number(f, "attempts") > 0) {
        buf_addf(p->out, ", %llu tries", (unsigned long long)get_number(f, "attempts"));
    }
    print_until(p, "next", get_number(f, "next"));
    buf_add_char(p->out, '\n');
    print_reply(p, "", get(f, "reply"));
    if (get_number(f, "wait") > 0 && !str_eq(get(f, "why"), get(f, "reply"))) {
        print_reply(p, "its next hop waits: ", get(f, "why"));
    }
}

static void print_destination(struct queue_print *p, const struct fields *f)
{
    buf_add_c(p->out, "waits: ");
    add_clean(p->out, get(f, "key"));
    buf_addf(p->out, ", %llu failures", (unsigned long long)get_number(f, "failures"));
    print_until(p, "next", get_number(f, "wait"));
    buf_add_c(p->out, ": ");
    add_clean(p->out, get(f, "why"));
    buf_add_char(p->out, '\n');
}

static void print_status(struct queue_print *p, const struct fields *f)
{
    buf_addf(p->out, "%llu message%s, ", (unsigned long long)get_number(f, "messages"),
             get_number(f, "messages") == 1 ? "" : "s");
    add_size(p->out, get_number(f, "octets"));
    buf_addf(
        p->out, "; %llu recipients, %llu held, %llu tried before, %llu active",
        (unsigned long long)get_number(f, "recipients"), (unsigned long long)get_number(f, "held"),
        (unsigned long long)get_number(f, "deferred"), (unsigned long long)get_number(f, "active"));
    if (get_number(f, "oldest") > 0 && get_number(f, "oldest") < p->now_ms) {
        buf_add_c(p->out, "; oldest ");
        queue_print_time(p->out, p->now_ms - get_number(f, "oldest"));
    }
    buf_add_char(p->out, '\n');
    if (fields_has(f, STR("attempts"))) {
        buf_addf(p->out,
                 "since the start: %llu delivered, %llu relayed, %llu failed; %llu attempts now\n",
                 (unsigned long long)get_number(f, "delivered"),
                 (unsigned long long)get_number(f, "relayed"),
                 (unsigned long long)get_number(f, "failed"),
                 (unsigned long long)get_number(f, "attempts"));
    }
}

/* ---- for programs ---- */

static bool is_word(struct str key)
{
    static const char *const WORDS[] = {"type",    "from", "sender", "envid",      "by_mode",
                                        "address", "user", "orcpt",  "via",        "reply",
                                        "state",   "key",  "why",    "destination"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (str_eq(key, str_from_c(WORDS[i]))) {
            return true;
        }
    }
    return false;
}

static void add_json_member(struct buf *out, struct str key, struct str value)
{
    json_text_add(out, key);
    buf_add_char(out, ':');
    if (str_eq(key, STR("priority"))) {
        uint64_t above = 9;
        (void)str_to_u64(value, 18, &above);
        buf_addf(out, "%d", (int)above - 9);
    } else if (is_word(key)) {
        json_text_add(out, value);
    } else {
        buf_add(out, value);
    }
}

/* The block's members, without its braces. */
static void add_json_members(struct buf *out, const struct fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        add_json_member(out, f->keys[i], f->values[i]);
    }
}

static void close_message(struct queue_print *p)
{
    if (p->has_message) {
        buf_add_c(p->out, "]}\n");
    }
    p->has_message = false;
}

static void print_json(struct queue_print *p, const struct fields *f)
{
    struct str type = get(f, "type");
    if (!str_eq(type, STR("recipient"))) {
        close_message(p);
    }
    if (str_eq(type, STR("end"))) {
        return;
    }
    if (str_eq(type, STR("recipient"))) {
        buf_add_c(p->out, p->has_recipient ? ",{" : "{");
        p->has_recipient = true;
    } else {
        buf_add_char(p->out, '{');
    }
    add_json_members(p->out, f);
    if (str_eq(type, STR("message"))) {
        buf_add_c(p->out, ",\"recipients\":[");
        p->has_message = true;
        p->has_recipient = false;
    } else {
        buf_add_c(p->out, p->has_message ? "}" : "}\n");
    }
}

void queue_print_block(struct queue_print *p, const struct fields *f)
{
    static const struct {
        const char *type;
        void (*print)(struct queue_print *p, const struct fields *f);
    } BLOCKS[] = {{"message", print_message},
                  {"recipient", print_recipient},
                  {"destination", print_destination},
                  {"status", print_status}};
    if (p->is_json) {
        print_json(p, f);
        return;
    }
    for (size_t i = 0; i < sizeof(BLOCKS) / sizeof(BLOCKS[0]); i++) {
        if (str_eq(get(f, "type"), str_from_c(BLOCKS[i].type))) {
            BLOCKS[i].print(p, f);
        }
    }
}
