/* A report is a multipart/report of three parts (RFC 6522): words for a person, fields for a program
 * (message/delivery-status), and the message it is about, or just its header (dsn_return.c).
 *
 * A report about a message that came with SMTPUTF8 has the forms of RFC 6533: message/global-delivery-status with addresses as
 * they are. In all others an address outside ASCII, should there be one, has the 7-bit form of the type "utf-8".
 *
 * Parts outside ASCII are labelled 8bit, and then so is the whole (RFC 2045, 6.4); a next hop that takes 7 bits gets it recoded
 * like any other message.
 *
 * Strings that came from outside (addresses, replies, ORCPT, ENVID) are written with controls, and what is not UTF-8 where that
 * is allowed, as '?': nobody can add a field to our report. The caller queues the report with the null return path and
 * never reports about a report (RFC 5321, 4.5.5). */
#include "queue/dsn.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "queue/dsn_return.h"
#include "smtp/header_fix.h"
#include "wire/smtp_scan.h"

#include <assert.h>

enum { TEXT_MOST = 1024 * 1024 };

/* The words of an action. */
struct words {
    const char *name;    /* RFC 3464, 2.3.3 */
    const char *subject; /* of the report */
    const char *text;    /* before the addresses */
};

static const struct words all_words[] = {
    [DSN_FAILED] = {"failed", "Undelivered mail", "Your message could not be delivered to:"},
    [DSN_DELAYED] =
        {"delayed", "Delayed mail",
         "Your message is delayed. You need not send it again: we keep trying to deliver it to:"},
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

/* Controls become '?', and octets above 126 unless is_utf8 and they are UTF-8. */
static void add_clean(struct buf *out, struct str s, bool is_utf8)
{
    while (s.n > 0) {
        size_t size = utf8_check(s);
        bool is_char = size >= 1 && size <= 4;
        bool is_wide = is_char && size > 1 && is_utf8 && utf8_get(s, size) > 0x9f;
        bool is_plain = is_char && size == 1 && s.p[0] >= 32 && s.p[0] <= 126;
        size = is_char ? size : 1;
        if (is_wide || is_plain) {
            buf_add(out, str_sub(s, 0, size));
        } else {
            buf_add_char(out, '?');
        }
        s = str_skip(s, size);
    }
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127) {
            return false;
        }
    }
    return true;
}

static void add_field(struct buf *out, const char *name, const char *type, struct str value)
{
    if (value.n > 0) {
        buf_addf(out, "%s: %s", name, type);
        add_clean(out, value, false);
        buf_add(out, STR("\r\n"));
    }
}

/* "name: type; address". typed: "type;address", without encoding (RFC 6533, 3). */
static void add_address(struct buf *out, const char *name, struct str typed, bool is_utf8)
{
    if (typed.n == 0) {
        return;
    }
    struct str address = typed;
    struct str type = str_split(&address, ';');
    buf_addf(out, "%s: ", name);
    if (is_ascii(typed) || is_utf8 || !utf8_is_valid(address)) {
        add_clean(out, type, false);
        buf_add(out, STR(";"));
        add_clean(out, address, is_utf8);
    } else {
        CLEANUP(buf_release) struct buf wide = BUF_INIT(TEXT_MOST);
        buf_add(&wide, STR("utf-8;"));
        buf_add(&wide, str_trim(address));
        smtp_orcpt_write(out, buf_str(&wide), false);
    }
    buf_add(out, STR("\r\n"));
}

static void add_date(struct buf *out, const char *name, uint64_t ms)
{
    buf_addf(out, "%s: ", name);
    header_write_date(out, (int64_t)(ms / 1000));
    buf_add(out, STR("\r\n"));
}

/* ---- the parts ---- */

static void write_header(const struct dsn_args *a, bool is_8bit, struct buf *out)
{
    enum dsn_action action = a->recipients[0].action;
    buf_addf(out, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\nTo: ", STR_ARG(a->hostname));
    add_clean(out, a->message->return_path, a->message->terms.is_utf8);
    buf_addf(out, "\r\nSubject: %s\r\n", get_words(action)->subject);
    add_date(out, "Date", a->now_ms);
    if (a->message->terms.is_tls_optional) { /* as the message itself asks for (RFC 8689, 6) */
        buf_add(out, STR("TLS-Required: No\r\n"));
    }
    buf_addf(out,
             "Message-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=delivery-status;\r\n"
             "\tboundary=\"=_%.*s\"\r\n%s\r\n",
             STR_ARG(a->unique), STR_ARG(a->hostname), STR_ARG(a->unique),
             is_8bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static void write_words(const struct dsn_args *a, struct buf *out)
{
    bool is_utf8 = a->message->terms.is_utf8;
    buf_addf(out, "This is the mail server at %.*s.\r\n", STR_ARG(a->hostname));
    int last = -1;
    for (size_t i = 0; i < a->recipient_count; i++) {
        const struct dsn_recipient *r = &a->recipients[i];
        if ((int)r->action != last) {
            buf_addf(out, "\r\n%s\r\n", get_words(r->action)->text);
            last = (int)r->action;
        }
        buf_add(out, STR("\r\n  "));
        add_clean(out, r->to->address, is_utf8);
        if (r->reply.n > 0) {
            buf_add(out, STR("\r\n    "));
            add_clean(out, r->reply, is_utf8);
        }
        buf_add(out, STR("\r\n"));
    }
}

/* When it is given up: a sender who wants it back by a time gets it back then (RFC 2852, 4.1.4.1). */
static uint64_t get_end_ms(const struct queue_message *m)
{
    bool is_sooner = m->terms.by == SMTP_BY_RETURN && m->terms.deliver_by_ms < m->expires_ms;
    return is_sooner ? m->terms.deliver_by_ms : m->expires_ms;
}

static void write_recipient(const struct dsn_args *a, const struct dsn_recipient *r,
                            struct buf *out)
{
    bool is_utf8 = a->message->terms.is_utf8;
    CLEANUP(buf_release) struct buf typed = BUF_INIT(TEXT_MOST);
    buf_add(&typed, is_ascii(r->to->address) ? STR("rfc822; ") : STR("utf-8; "));
    buf_add(&typed, r->to->address);
    buf_add(out, STR("\r\n"));
    add_address(out, "Original-Recipient", r->to->orcpt, is_utf8);
    add_address(out, "Final-Recipient", buf_str(&typed), is_utf8);
    buf_addf(out, "Action: %s\r\n", get_words(r->action)->name);
    add_field(out, "Status", "", r->status);
    add_field(out, "Remote-MTA", "dns; ", r->remote_mta);
    if (r->reply.n > 0 && r->remote_mta.n > 0) {
        add_field(out, "Diagnostic-Code", "smtp; ", r->reply);
    }
    if (r->action == DSN_DELAYED) {
        add_date(out, "Will-Retry-Until", get_end_ms(a->message));
    }
}

static void write_status(const struct dsn_args *a, struct buf *out)
{
    add_field(out, "Original-Envelope-Id", "", a->message->envid);
    add_field(out, "Reporting-MTA", "dns; ", a->hostname);
    add_date(out, "Arrival-Date", a->message->arrived_ms);
    if (a->message->terms.by != SMTP_BY_NONE) {
        add_date(out, "Deliver-By-Date", a->message->terms.deliver_by_ms); /* RFC 2852, 5 */
    }
    add_field(out, "Future-Release-Request", "",
              a->message->terms.release_request); /* RFC 4865, 5.1.2 */
    for (size_t i = 0; i < a->recipient_count; i++) {
        write_recipient(a, &a->recipients[i], out);
    }
}

/* A part's delimiter and header. */
static void write_delimiter(const struct dsn_args *a, const char *type, bool is_8bit,
                            struct buf *out)
{
    buf_addf(out, "\r\n--=_%.*s\r\nContent-Type: %s\r\n%s\r\n", STR_ARG(a->unique), type,
             is_8bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/* Its first two parts, with the header before them. */
static enum err write_beginning(const struct dsn_args *a, bool is_8bit, struct spool *s)
{
    bool is_utf8 = a->message->terms.is_utf8;
    CLEANUP(buf_release) struct buf words = BUF_INIT(TEXT_MOST);
    CLEANUP(buf_release) struct buf status = BUF_INIT(TEXT_MOST);
    CLEANUP(buf_release) struct buf out = BUF_INIT(4 * TEXT_MOST);
    write_words(a, &words);
    write_status(a, &status);
    bool is_words_8bit = !is_ascii(buf_str(&words));
    bool is_status_8bit = !is_ascii(buf_str(&status));
    write_header(a, is_8bit || is_words_8bit || is_status_8bit, &out);
    write_delimiter(a, is_utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                    is_words_8bit, &out);
    buf_add(&out, buf_str(&words));
    write_delimiter(a, is_utf8 ? "message/global-delivery-status" : "message/delivery-status",
                    is_status_8bit, &out);
    buf_add(&out, buf_str(&status));
    TRY(buf_err(&words));
    TRY(buf_err(&status));
    TRY(buf_err(&out));
    return spool_add(s, buf_str(&out));
}

static enum err write_original(const struct dsn_args *a, const struct dsn_return *what,
                               struct spool *s)
{
    bool is_utf8 = a->message->terms.is_utf8;
    const char *type = what->is_full ? is_utf8 ? "message/global" : "message/rfc822"
                       : is_utf8     ? "message/global-headers"
                                     : "text/rfc822-headers";
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_MOST);
    write_delimiter(a, type, what->is_8bit, &out);
    TRY(spool_add(s, buf_str(&out)));
    return dsn_return_write(what, a->content, s);
}

enum err dsn_write(const struct dsn_args *a, struct spool *s)
{
    struct dsn_return what = {.size = 0};
    bool has_failure = false;
    for (size_t i = 0; i < a->recipient_count; i++) {
        has_failure = has_failure || a->recipients[i].action == DSN_FAILED;
    }
    if (a->content != NULL) {
        bool may_be_full = has_failure && !a->is_brief;
        TRY(dsn_return_choose(a->message, may_be_full, a->content, &what));
    }
    TRY(write_beginning(a, what.is_8bit, s));
    if (a->content != NULL) {
        TRY(write_original(a, &what, s));
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_MOST);
    buf_addf(&out, "\r\n--=_%.*s--\r\n", STR_ARG(a->unique));
    return spool_add(s, buf_str(&out));
}
