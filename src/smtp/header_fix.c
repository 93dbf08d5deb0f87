/* A submission server may repair what a mail client left out (RFC 6409, 8); it must not otherwise touch the message. The
 * message may be large, so the repair is a filter: it holds one header field at a time (bounded; a longer field passes
 * unread, or is dropped unread when it is one that must not leave), and lets go for good at the empty line.
 *
 *     START_OF_LINE --name:--> IN_FIELD --line end--> (next line: WSP continues, else the field is decided)
 *          |                                                     |
 *          '------------- empty line or not a field -------------'--> DONE (missing fields are added first)
 *
 * A header that ends without an empty line (a line that is no field) gets one: the octets from there on are body.
 * A message without From gets the sender of the envelope, as the common mail servers have it. Who puts a priority into the
 * header gets it as if MAIL had asked (RFC 6758, 3.1), within the same bound; our own field then tells it to hosts that do not
 * know MT-PRIORITY.
 *
 * Bcc is taken out because the envelope has the recipients (RFC 5322, 3.6.3), Return-Path because only final delivery
 * may write it (RFC 5321, 4.4). */
#include "smtp/header_fix.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/address.h"
#include "wire/smtp_scan.h"

#include <stdlib.h>
#include <time.h>

enum { NAME_MOST = 256, ADDRESSES_MOST = 4 * 1024 * 1024 };

enum fate {
    FATE_PASS,
    FATE_DROP,
    FATE_DATE,
    FATE_MESSAGE_ID,
    FATE_FROM,
    FATE_ADDRESS,
    FATE_SENDER,
    FATE_HOP,
    FATE_PRIORITY,
    FATE_TLS
};

struct fate_row {
    struct str name;
    enum fate fate;
};

struct header_fix {
    struct buf domain;
    struct buf unique;
    struct buf sender;
    struct buf authors; /* what From fields said */
    int64_t now_s;
    struct buf field; /* the field so far, whole lines and the line in work */
    size_t line_at;   /* where in field the line in work begins */
    bool is_over;     /* the field outgrew its bound: rest passes or is dropped */
    bool is_dropping;
    bool is_line_start; /* only while is_over: the next octet begins a line */
    bool has_date;
    bool has_message_id;
    bool has_from;
    struct buf from;
    bool has_priority; /* one is to be written */
    bool is_priority_mail;
    unsigned priority_fields;
    int8_t priority_most;
    unsigned tls_fields;
    uint64_t size;
    struct header_notes notes;
    bool has_sender;
    bool is_from_lost;
    bool is_done;
};

struct header_fix *header_fix_new(const struct header_fix_args *args)
{
    struct header_fix *f = mem_new(sizeof(*f));
    buf_init(&f->domain, 1024);
    buf_init(&f->unique, 1024);
    buf_add(&f->domain, args->domain);
    buf_add(&f->unique, args->unique);
    buf_init(&f->sender, 1024);
    buf_add(&f->sender, args->sender);
    buf_init(&f->authors, HEADER_FIX_FIELD_MOST);
    buf_init(&f->field, HEADER_FIX_FIELD_MOST);
    buf_init(&f->from, 1024);
    buf_add(&f->from, args->from);
    f->has_priority = args->has_priority;
    f->is_priority_mail = args->has_priority;
    f->notes.priority = args->priority;
    f->priority_most = args->priority_most;
    f->now_s = args->now_s;
    return f;
}

void header_fix_free(struct header_fix **f)
{
    if (*f == NULL) {
        return;
    }
    buf_release(&(*f)->domain);
    buf_release(&(*f)->sender);
    buf_release(&(*f)->authors);
    buf_release(&(*f)->unique);
    buf_release(&(*f)->field);
    buf_release(&(*f)->from);
    free(*f);
    *f = NULL;
}

void header_write_date(struct buf *out, int64_t unix_s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)unix_s;
    struct tm tm = {0};
    if (gmtime_r(&t, &tm) == NULL) {
        return;
    }
    buf_addf(out, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday % 7], tm.tm_mday,
             months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- addresses without a domain ---- */

/* The end of the quoted string or comment that opens at s[at]; s.n when it never closes. */
static size_t skip_enclosed(struct str s, size_t at)
{
    char close = s.p[at] == '"' ? '"' : ')';
    unsigned depth = 0;
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == close && depth == 0) {
            return i + 1;
        } else if (s.p[i] == close) {
            depth--;
        } else if (close == ')' && s.p[i] == '(') {
            depth++;
        }
    }
    return s.n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What one mailbox of a list looks like from far enough away. */
struct item {
    size_t words;    /* runs of atoms or quoted strings outside comments and angles */
    size_t word_end; /* behind the last of them */
    size_t angle_at; /* the '<'; SIZE_MAX: none */
    size_t angle_end;
    bool has_at; /* an '@' outside quotes, comments */
};

static void item_take_word(struct str s, size_t *at, struct item *it)
{
    it->words++;
    while (*at < s.n && !is_space(s.p[*at]) && s.p[*at] != '(' && s.p[*at] != '<'
           && s.p[*at] != '>') {
        it->has_at = it->has_at || s.p[*at] == '@';
        *at = s.p[*at] == '"' ? skip_enclosed(s, *at) : *at + 1;
    }
    it->word_end = *at;
}

static struct item item_read(struct str s)
{
    struct item it = {.angle_at = SIZE_MAX};
    size_t at = 0;
    while (at < s.n) {
        if (s.p[at] == '(') {
            at = skip_enclosed(s, at);
        } else if (s.p[at] == '<') {
            it.angle_at = at;
            it.angle_end = at + str_find_char(str_skip(s, at), '>');
            at = it.angle_end < s.n ? it.angle_end + 1 : s.n;
        } else if (is_space(s.p[at]) || s.p[at] == '>') {
            at++;
        } else {
            item_take_word(s, &at, &it);
        }
    }
    return it;
}

static void insert_domain(struct buf *out, struct str s, size_t at, struct str domain)
{
    buf_add(out, str_sub(s, 0, at));
    buf_add_char(out, '@');
    buf_add(out, domain);
    buf_add(out, str_skip(s, at));
}

static void qualify_item(struct buf *out, struct str s, struct str domain)
{
    struct item it = item_read(s);
    if (it.angle_at != SIZE_MAX) {
        struct str inner = str_sub(s, it.angle_at + 1, it.angle_end - it.angle_at - 1);
        bool is_bare =
            it.angle_end < s.n && str_trim(inner).n > 0 && str_find_char(inner, '@') == inner.n;
        if (is_bare) {
            insert_domain(out, s, it.angle_end, domain);
            return;
        }
    } else if (it.words == 1 && !it.has_at) {
        insert_domain(out, s, it.word_end, domain);
        return;
    }
    buf_add(out, s);
}

/* The end of the item that begins at s[at]: its separator (',', ';', or ':' behind a group's name), or s.n. */
static size_t find_separator(struct str s, size_t at)
{
    bool is_in_angle = false;
    while (at < s.n) {
        char c = s.p[at];
        if (c == '"' || c == '(') {
            at = skip_enclosed(s, at);
            continue;
        }
        if (c == '<' || c == '>') {
            is_in_angle = c == '<';
        } else if (!is_in_angle && (c == ',' || c == ';' || c == ':')) {
            return at;
        }
        at++;
    }
    return s.n;
}

void header_qualify(struct buf *out, struct str value, struct str domain)
{
    size_t at = 0;
    while (at < value.n) {
        size_t end = find_separator(value, at);
        struct str item = str_sub(value, at, end - at);
        bool is_group_name = end < value.n && value.p[end] == ':';
        if (is_group_name) {
            buf_add(out, item);
        } else {
            qualify_item(out, item, domain);
        }
        if (end < value.n) {
            buf_add_char(out, value.p[end]);
        }
        at = end + 1;
    }
}

/* ---- fields ---- */

static enum fate find_fate(struct str name)
{
    static const struct fate_row rows[] = {
        {{"bcc", 3}, FATE_DROP},
        {{"resent-bcc", 10}, FATE_DROP},
        {{"return-path", 11}, FATE_DROP},
        {{"delivered-to", 12}, FATE_DROP},
        {{"date", 4}, FATE_DATE},
        {{"from", 4}, FATE_FROM},
        {{"message-id", 10}, FATE_MESSAGE_ID},
        {{"resent-from", 11}, FATE_ADDRESS},
        {{"resent-sender", 13}, FATE_ADDRESS},
        {{"resent-to", 9}, FATE_ADDRESS},
        {{"resent-cc", 9}, FATE_ADDRESS},
        {{"mt-priority", 11}, FATE_PRIORITY},
        {{"tls-required", 12}, FATE_TLS},
        {{"sender", 6}, FATE_SENDER},
        {{"reply-to", 8}, FATE_ADDRESS},
        {{"to", 2}, FATE_ADDRESS},
        {{"cc", 2}, FATE_ADDRESS},
        {{"received", 8}, FATE_HOP},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq_nocase(rows[i].name, name)) {
            return rows[i].fate;
        }
    }
    return FATE_PASS;
}

/* The name before the colon; empty when the line is no field (RFC 5322, 2.2). */
static struct str field_name(struct str line)
{
    size_t colon = str_find_char(line, ':');
    if (colon == line.n || colon == 0 || colon > NAME_MOST) {
        return STR_EMPTY;
    }
    struct str name = str_trim(str_sub(line, 0, colon));
    for (size_t i = 0; i < name.n; i++) {
        unsigned char o = (unsigned char)name.p[i];
        if (o <= 32 || o >= 127) {
            return STR_EMPTY;
        }
    }
    return is_space(line.p[0]) ? STR_EMPTY : name;
}

static void note_fate(struct header_fix *f, enum fate fate)
{
    f->has_date = f->has_date || fate == FATE_DATE;
    f->has_message_id = f->has_message_id || fate == FATE_MESSAGE_ID;
    f->has_from = f->has_from || fate == FATE_FROM;
    f->notes.hops += fate == FATE_HOP;
}

/* is_whole: no character is cut. */
static void note_octets(struct header_fix *f, struct str field, bool is_whole)
{
    bool has_8bit = false;
    for (size_t i = 0; i < field.n && !has_8bit; i++) {
        has_8bit = (unsigned char)field.p[i] > 0x7F;
    }
    f->notes.has_8bit = f->notes.has_8bit || has_8bit;
    f->notes.is_bad_utf8 = f->notes.is_bad_utf8 || (has_8bit && is_whole && !utf8_is_valid(field));
}

/* priority-value, without comments (RFC 6758, 4). Of two fields neither counts. */
static void note_priority(struct header_fix *f, struct str value)
{
    bool is_negative = str_starts(value, STR("-"));
    struct str digit = str_skip(value, is_negative ? 1 : 0);
    bool is_valid =
        digit.n == 1 && ascii_is_digit(digit.p[0]) && !(is_negative && digit.p[0] == '0');
    f->priority_fields++;
    f->has_priority = true;
    if (f->is_priority_mail) {
        return;
    }
    int n = is_valid && f->priority_fields == 1 ? digit.p[0] - '0' : 0;
    n = is_negative ? -n : n;
    f->notes.is_priority_lowered = n > f->priority_most;
    f->notes.priority = n > f->priority_most ? f->priority_most : (int8_t)n;
}

/* RFC 8689, 3: "No" is the only value, and a second field forbidden. */
static void note_tls(struct header_fix *f, struct str value)
{
    f->notes.is_tls_optional = ++f->tls_fields == 1 && str_eq_nocase(value, STR("No"));
}

/* Is value one mailbox, and that of who sends? */
static bool is_sender_alone(const struct header_fix *f, struct str value)
{
    CLEANUP(buf_release) struct buf one = BUF_INIT(HEADER_FIX_FIELD_MOST);
    struct address_list list = {0};
    struct arena *a = arena_new(ADDRESSES_MOST);
    if (address_list_parse(a, value, &list) == ERR_OK && list.count == 1) {
        smtp_address_write(&one, list.at[0].mailbox, list.at[0].host);
    }
    arena_free(&a);
    return one.len > 0 && str_eq_nocase(buf_str(&one), buf_str(&f->sender));
}

/* An address field of the held one's name, with full addresses. */
static void add_addresses(struct header_fix *f, struct str field, enum fate fate, struct buf *out)
{
    CLEANUP(buf_release) struct buf value = BUF_INIT(2 * HEADER_FIX_FIELD_MOST);
    size_t colon = str_find_char(field, ':') + 1;
    header_qualify(&value, str_skip(field, colon), buf_str(&f->domain));
    CLEANUP(buf_release) struct buf flat = BUF_INIT(2 * HEADER_FIX_FIELD_MOST);
    for (size_t i = 0; fate != FATE_ADDRESS && i < value.len; i++) {
        buf_add_char(&flat, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    }
    if (fate == FATE_SENDER && f->sender.len > 0) {
        if (!is_sender_alone(f, str_trim(buf_str(&flat)))) {
            return;
        }
        f->has_sender = true;
    }
    if (fate == FATE_FROM) {
        buf_add(&f->authors, f->authors.len > 0 ? STR(", ") : STR_EMPTY);
        buf_add(&f->authors, str_trim(buf_str(&flat)));
        f->is_from_lost = f->is_from_lost || f->authors.is_full;
    }
    buf_add(out, str_sub(field, 0, colon));
    buf_add(out, buf_str(&value));
}

/* Decides the whole field that is held. */
static void flush_field(struct header_fix *f, struct buf *out)
{
    struct str field = buf_str(&f->field);
    if (field.n > 0 && !f->is_over) {
        struct str name = field_name(field);
        enum fate fate = find_fate(name);
        size_t colon = str_find_char(field, ':') + 1;
        struct str value = str_skip(field, colon);
        note_fate(f, fate);
        note_octets(f, field, true);
        if (fate == FATE_PRIORITY) {
            note_priority(f, str_trim(value));
        } else if (fate == FATE_TLS) {
            note_tls(f, str_trim(value));
        }
        if (fate == FATE_ADDRESS || fate == FATE_FROM || fate == FATE_SENDER) {
            add_addresses(f, field, fate, out);
        } else if (fate != FATE_DROP && fate != FATE_PRIORITY) {
            buf_add(out, field);
        }
    }
    buf_clear(&f->field);
    f->line_at = 0;
    f->is_over = false;
    f->is_dropping = false;
}

static void add_missing(struct header_fix *f, struct buf *out)
{
    if (!f->has_date) {
        buf_add(out, STR("Date: "));
        header_write_date(out, f->now_s);
        buf_add(out, STR("\r\n"));
    }
    if (!f->has_message_id) {
        buf_add(out, STR("Message-ID: <"));
        buf_add(out, buf_str(&f->unique));
        buf_add_char(out, '@');
        buf_add(out, buf_str(&f->domain));
        buf_add(out, STR(">\r\n"));
    }
    bool is_other =
        f->is_from_lost || (f->authors.len > 0 && !is_sender_alone(f, buf_str(&f->authors)));
    if (f->sender.len > 0 && !f->has_sender && is_other) {
        buf_addf(out, "Sender: %.*s\r\n", STR_ARG(buf_str(&f->sender)));
    }
    if (!f->has_from && f->from.len > 0) {
        note_octets(f, buf_str(&f->from), true);
        buf_addf(out, "From: <%.*s>\r\n", STR_ARG(buf_str(&f->from)));
    }
    if (f->has_priority) {
        buf_addf(out, "MT-Priority: %d\r\n", f->notes.priority);
    }
}

/* line: the last line of f->field, with its line end. */
static void take_line(struct header_fix *f, struct buf *out)
{
    struct str held = buf_str(&f->field);
    struct str line = str_skip(held, f->line_at);
    if (f->line_at > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
        f->line_at = held.n;
        return;
    }
    bool is_empty = str_eq(line, STR("\r\n")) || str_eq(line, STR("\n"));
    bool is_end = is_empty || field_name(line).n == 0;
    CLEANUP(buf_release) struct buf next = BUF_INIT(HEADER_FIX_FIELD_MOST);
    buf_add(&next, line);
    buf_truncate(&f->field, f->line_at);
    flush_field(f, out);
    if (!is_end) {
        buf_add(&f->field, buf_str(&next));
        f->line_at = f->field.len;
        return;
    }
    add_missing(f, out);
    buf_add(out, is_empty ? STR_EMPTY : STR("\r\n"));
    buf_add(out, buf_str(&next));
    f->is_done = true;
}

/* The line in work begins another field: decides the one before it, which makes room. */
static bool flush_before_line(struct header_fix *f, struct buf *out)
{
    struct str line = str_skip(buf_str(&f->field), f->line_at);
    if (f->line_at == 0 || line.n == 0 || line.p[0] == ' ' || line.p[0] == '\t') {
        return false;
    }
    CLEANUP(buf_release) struct buf rest = BUF_INIT(HEADER_FIX_FIELD_MOST);
    buf_add(&rest, line);
    buf_truncate(&f->field, f->line_at);
    flush_field(f, out);
    buf_add(&f->field, buf_str(&rest));
    return true;
}

/* The field is larger than we hold: pass or drop it unread to its end. */
static void overflow(struct header_fix *f, struct buf *out)
{
    if (flush_before_line(f, out)) {
        return;
    }
    if (f->line_at == 0 && field_name(buf_str(&f->field)).n == 0) {
        /* A first line without a name that long is no header at all. */
        add_missing(f, out);
        buf_add(out, STR("\r\n"));
        buf_add(out, buf_str(&f->field));
        buf_clear(&f->field);
        f->is_done = true;
        return;
    }
    enum fate fate = find_fate(field_name(buf_str(&f->field)));
    note_fate(f, fate);
    note_octets(f, buf_str(&f->field), false);
    f->is_over = true;
    f->is_from_lost = f->is_from_lost || fate == FATE_FROM;
    f->is_dropping =
        fate == FATE_DROP || fate == FATE_PRIORITY || (fate == FATE_SENDER && f->sender.len > 0);
    f->is_line_start = f->field.len == f->line_at;
    if (!f->is_dropping) {
        buf_add(out, buf_str(&f->field));
    }
    buf_clear(&f->field);
    f->line_at = 0;
}

/* Inside an over-long field; returns how many octets of s it used. */
static size_t pass_over(struct header_fix *f, struct str s, struct buf *out)
{
    if (f->is_line_start && s.p[0] != ' ' && s.p[0] != '\t') {
        f->is_over = false;
        f->is_dropping = false;
        return 0;
    }
    size_t n = str_find_char(s, '\n');
    f->is_line_start = n < s.n;
    n += n < s.n;
    note_octets(f, str_sub(s, 0, n), false);
    if (!f->is_dropping) {
        buf_add(out, str_sub(s, 0, n));
    }
    return n;
}

static size_t take_some(struct header_fix *f, struct str s, struct buf *out)
{
    if (f->is_over) {
        return pass_over(f, s, out);
    }
    size_t n = str_find_char(s, '\n');
    bool is_line_end = n < s.n;
    n += is_line_end;
    size_t room = HEADER_FIX_FIELD_MOST - f->field.len;
    if (n > room) {
        buf_add(&f->field, str_sub(s, 0, room));
        overflow(f, out);
        return room;
    }
    buf_add(&f->field, str_sub(s, 0, n));
    if (is_line_end) {
        take_line(f, out);
    }
    return n;
}

void header_fix_add(struct header_fix *f, struct str octets, struct buf *out)
{
    while (octets.n > 0 && !f->is_done) {
        size_t n = take_some(f, octets, out);
        f->size += n;
        f->notes.is_big = f->size > HEADER_FIX_MOST;
        octets = str_skip(octets, n);
    }
    buf_add(out, octets);
}

struct header_notes header_fix_get_notes(const struct header_fix *f)
{
    return f->notes;
}

struct str header_fix_get_from(const struct header_fix *f)
{
    return buf_str(&f->authors);
}

bool header_fix_is_from_lost(const struct header_fix *f)
{
    return f->is_from_lost;
}

bool header_fix_is_done(const struct header_fix *f)
{
    return f->is_done;
}

void header_fix_finish(struct header_fix *f, struct buf *out)
{
    if (f->is_done) {
        return;
    }
    if (f->field.len > f->line_at) {
        buf_add(&f->field, STR("\r\n"));
        take_line(f, out);
    }
    if (!f->is_done) {
        bool is_line_open = f->is_over && !f->is_line_start && !f->is_dropping;
        buf_add(out, is_line_open ? STR("\r\n") : STR_EMPTY);
        flush_field(f, out);
        add_missing(f, out);
        buf_add(out, STR("\r\n"));
        f->is_done = true;
    }
}
