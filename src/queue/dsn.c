/* A report is a multipart/report of three parts (RFC 6522): words for a person, fields for a program
 * (message/delivery-status), and the message it is about, or just its header.
 *
 * The whole message goes back only with failures, when RET=FULL asked for it or nothing was asked and it is small; and
 * only when it can stand inside a report without being recoded. Otherwise its header goes back (RFC 3461, 4.3 and 6.2).
 *
 * Strings that came from outside (addresses, replies, ORCPT) are written with controls and 8-bit octets as '?', so that
 * nobody can add a field to our report. The caller queues the report with the null return path and never reports about
 * a report (RFC 5321, 4.5.5). */
#include "queue/dsn.h"

#include "base/buf.h"
#include "smtp/header_fix.h"

#include <assert.h>

enum { TEXT_MOST = 1024 * 1024, HEADER_MOST = 64 * 1024, FULL_MOST = 64 * 1024, READ_MOST = 32768 };

/* The words of an action. */
struct words {
    const char *name;    /* RFC 3464, 2.3.3 */
    const char *subject; /* of the report */
    const char *text;    /* before the addresses */
};

static const struct words all_words[] = {
    [DSN_FAILED] = {"failed", "Undelivered mail", "Your message could not be delivered to:"},
    [DSN_DELAYED] = {"delayed", "Delayed mail",
                     "Your message is delayed; we keep trying to deliver it to:"},
    [DSN_DELIVERED] = {"delivered", "Delivered mail", "Your message was delivered to:"},
    [DSN_RELAYED] = {"relayed", "Relayed mail",
                     "Your message was passed on to a server that will not report further, for:"},
    [DSN_EXPANDED] = {"expanded", "Expanded mail",
                      "Your message was delivered to an address that stands for several others:"},
};

static const struct words *get_words(enum dsn_action action)
{
    assert((size_t)action < sizeof(all_words) / sizeof(all_words[0]));
    return &all_words[action];
}

bool dsn_is_wanted(unsigned notify, enum dsn_action action)
{
    switch (action) {
    case DSN_FAILED:
        return notify == 0 || (notify & SMTP_NOTIFY_FAILURE) != 0;
    case DSN_DELAYED:
        return notify == 0 || (notify & SMTP_NOTIFY_DELAY) != 0;
    case DSN_DELIVERED:
    case DSN_RELAYED:
    case DSN_EXPANDED:
        break;
    }
    return (notify & SMTP_NOTIFY_SUCCESS) != 0;
}

static bool is_status(struct str s)
{
    unsigned dots = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && i > 0 && s.p[i - 1] != '.') {
            dots++;
        } else if (!ascii_is_digit(s.p[i])) {
            return false;
        }
    }
    return dots == 2 && s.n >= 5 && s.n <= 9 && s.p[1] == '.' && s.p[s.n - 1] != '.';
}

struct str dsn_find_status(struct str reply)
{
    struct str rest = reply;
    (void)str_split(&rest, ' ');
    struct str word = str_split(&rest, ' ');
    if (is_status(word) && reply.n > 0 && word.p[0] == reply.p[0]) {
        return word;
    }
    if (reply.n > 0 && reply.p[0] == '2') {
        return STR("2.0.0");
    }
    return reply.n > 0 && reply.p[0] == '4' ? STR("4.0.0") : STR("5.0.0");
}

static void add_clean(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_add_char(out, s.p[i] < 32 || s.p[i] > 126 ? '?' : s.p[i]);
    }
}

static void add_field(struct buf *out, const char *name, const char *type, struct str value)
{
    if (value.n > 0) {
        buf_addf(out, "%s: %s", name, type);
        add_clean(out, value);
        buf_add(out, STR("\r\n"));
    }
}

static void write_header(const struct dsn_args *a, struct buf *out)
{
    enum dsn_action action = a->recipients[0].action;
    buf_addf(out, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n", STR_ARG(a->hostname));
    add_field(out, "To", "", a->message->return_path);
    buf_addf(out, "Subject: %s\r\nDate: ", get_words(action)->subject);
    header_write_date(out, (int64_t)(a->now_ms / 1000));
    buf_addf(out,
             "\r\nMessage-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=delivery-status;\r\n"
             "\tboundary=\"=_%.*s\"\r\n\r\n",
             STR_ARG(a->unique), STR_ARG(a->hostname), STR_ARG(a->unique));
}

static void write_words(const struct dsn_args *a, struct buf *out)
{
    buf_addf(out, "--=_%.*s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
             STR_ARG(a->unique));
    buf_addf(out, "This is the mail server at %.*s.\r\n", STR_ARG(a->hostname));
    int last = -1;
    for (size_t i = 0; i < a->recipient_count; i++) {
        const struct dsn_recipient *r = &a->recipients[i];
        if ((int)r->action != last) {
            buf_addf(out, "\r\n%s\r\n", get_words(r->action)->text);
            last = (int)r->action;
        }
        buf_add(out, STR("\r\n  "));
        add_clean(out, r->to->address);
        if (r->reply.n > 0) {
            buf_add(out, STR("\r\n    "));
            add_clean(out, r->reply);
        }
        buf_add(out, STR("\r\n"));
    }
}

static void write_status(const struct dsn_args *a, struct buf *out)
{
    buf_addf(out, "\r\n--=_%.*s\r\nContent-Type: message/delivery-status\r\n\r\n",
             STR_ARG(a->unique));
    add_field(out, "Original-Envelope-Id", "", a->message->envid);
    add_field(out, "Reporting-MTA", "dns; ", a->hostname);
    buf_add(out, STR("Arrival-Date: "));
    header_write_date(out, (int64_t)(a->message->arrived_ms / 1000));
    buf_add(out, STR("\r\n"));
    for (size_t i = 0; i < a->recipient_count; i++) {
        const struct dsn_recipient *r = &a->recipients[i];
        buf_add(out, STR("\r\n"));
        add_field(out, "Original-Recipient", "", r->to->orcpt);
        add_field(out, "Final-Recipient", "rfc822; ", r->to->address);
        buf_addf(out, "Action: %s\r\n", get_words(r->action)->name);
        add_field(out, "Status", "", r->status);
        add_field(out, "Remote-MTA", "dns; ", r->remote_mta);
        if (r->reply.n > 0 && r->remote_mta.n > 0) {
            add_field(out, "Diagnostic-Code", "smtp; ", r->reply);
        }
        if (r->action == DSN_DELAYED) {
            buf_add(out, STR("Will-Retry-Until: "));
            header_write_date(out, (int64_t)(a->message->expires_ms / 1000));
            buf_add(out, STR("\r\n"));
        }
    }
}

static bool is_full_wanted(const struct dsn_args *a)
{
    const struct queue_message *m = a->message;
    bool has_failure = false;
    for (size_t i = 0; i < a->recipient_count; i++) {
        has_failure = has_failure || a->recipients[i].action == DSN_FAILED;
    }
    if (!has_failure || m->kind == CONTENT_BINARY || m->ret == SMTP_RET_HDRS) {
        return false;
    }
    return m->ret == SMTP_RET_FULL || m->size <= FULL_MOST;
}

/* How many octets of the message are its header, with the empty line; bounded. */
static enum err measure_header(struct spool_reader *content, uint64_t *out)
{
    struct str head = STR_EMPTY;
    TRY(spool_reader_get(content, 0, HEADER_MOST, &head));
    size_t end = 0;
    bool is_over = false;
    while (end < head.n && !is_over) {
        struct str line = str_skip(head, end);
        line = str_sub(line, 0, str_find_char(line, '\n') + 1);
        is_over = str_eq(line, STR("\r\n")) || str_eq(line, STR("\n"));
        end += line.n;
    }
    *out = end;
    return ERR_OK;
}

static enum err copy(struct spool_reader *from, uint64_t size, struct spool *to)
{
    for (uint64_t at = 0; at < size;) {
        struct str piece = STR_EMPTY;
        uint64_t left = size - at;
        TRY(spool_reader_get(from, at, left < READ_MOST ? (size_t)left : READ_MOST, &piece));
        if (piece.n == 0) {
            return ERR_CORRUPT;
        }
        TRY(spool_add(to, piece));
        at += piece.n;
    }
    return ERR_OK;
}

static enum err write_original(const struct dsn_args *a, struct buf *out, struct spool *s)
{
    bool is_full = is_full_wanted(a);
    uint64_t size = a->message->size;
    if (!is_full) {
        TRY(measure_header(a->content, &size));
    }
    buf_clear(out);
    buf_addf(out, "\r\n--=_%.*s\r\nContent-Type: %s\r\n", STR_ARG(a->unique),
             is_full ? "message/rfc822" : "text/rfc822-headers");
    buf_add(out, a->message->kind == CONTENT_7BIT ? STR("\r\n")
                                                  : STR("Content-Transfer-Encoding: 8bit\r\n\r\n"));
    TRY(spool_add(s, buf_str(out)));
    return copy(a->content, size, s);
}

enum err dsn_write(const struct dsn_args *a, struct spool *s)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_MOST);
    write_header(a, &out);
    write_words(a, &out);
    write_status(a, &out);
    TRY(buf_err(&out));
    TRY(spool_add(s, buf_str(&out)));
    if (a->content != NULL) {
        TRY(write_original(a, &out, s));
    }
    buf_clear(&out);
    buf_addf(&out, "\r\n--=_%.*s--\r\n", STR_ARG(a->unique));
    return spool_add(s, buf_str(&out));
}
