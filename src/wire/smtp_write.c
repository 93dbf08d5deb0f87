/* Writing SMTP: replies, and the list of extensions that answers EHLO.
 *
 * Every reply goes through one function, which puts the enhanced code on each line (RFC 2034, 4) and lets no control
 * octet through: what a peer sent may be quoted in a reply without becoming a line of it. */
#include "wire/smtp_write.h"

#include "wire/imap_date.h"

#include <stdio.h>

static void write_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        buf_add_char(out, text.p[i] < 0x20 || text.p[i] > 0x7E ? '?' : text.p[i]);
    }
}

void smtp_write_reply(struct buf *out, int code, struct str enhanced, struct str text)
{
    bool is_last = false;
    while (!is_last) {
        is_last = str_find_char(text, '\n') == text.n;
        struct str line = str_split(&text, '\n');
        buf_add_u64(out, (uint64_t)code);
        buf_add_char(out, is_last ? ' ' : '-');
        if (enhanced.n > 0) {
            buf_add(out, enhanced);
            buf_add_char(out, ' ');
        }
        write_text(out, line);
        buf_add_c(out, "\r\n");
    }
}

void smtp_write_err(struct buf *out, enum err e)
{
    const struct err_info *info = err_get_info(e);
    smtp_write_reply(out, info->smtp, str_from_c(info->enhanced), str_from_c(info->text));
}

static void add_keyword(struct buf *list, bool is_offered, const char *keyword, struct str args)
{
    if (!is_offered) {
        return;
    }
    buf_add_char(list, '\n');
    buf_add_c(list, keyword);
    if (args.n > 0) {
        buf_add_char(list, ' ');
        buf_add(list, args);
    }
}

void smtp_write_time(struct buf *out, int64_t unix_s)
{
    struct civil t = civil_from_unix(unix_s);
    buf_addf(out, "%04lld-%02u-%02uT%02u:%02u:%02uZ", (long long)t.year, t.month, t.day, t.hour,
             t.minute, t.second);
}

/* RFC 4865, 3: how long, and until when */
static void add_future_release(struct buf *list, const struct smtp_ehlo *ehlo)
{
    CLEANUP(buf_release) struct buf args = BUF_INIT(64);
    buf_add_u64(&args, ehlo->hold_most_s);
    buf_add_char(&args, ' ');
    smtp_write_time(&args, ehlo->now_s + (int64_t)ehlo->hold_most_s);
    add_keyword(list, ehlo->hold_most_s > 0, "FUTURERELEASE", buf_str(&args));
}

/* RFC 9422, 4.2 */
static void add_limits(struct buf *list, const struct smtp_ehlo *ehlo)
{
    CLEANUP(buf_release) struct buf args = BUF_INIT(64);
    buf_addf(&args, "RCPTMAX=%llu", (unsigned long long)ehlo->recipients_most);
    add_keyword(list, ehlo->recipients_most > 0, "LIMITS", buf_str(&args));
}

/* RFC 1870, 3 */
static void add_size(struct buf *list, const struct smtp_ehlo *ehlo)
{
    CLEANUP(buf_release) struct buf args = BUF_INIT(64);
    if (ehlo->size_most > 0) {
        buf_add_u64(&args, ehlo->size_most);
    }
    add_keyword(list, true, "SIZE", buf_str(&args));
}

void smtp_write_ehlo(struct buf *out, const struct smtp_ehlo *ehlo)
{
    bool is_submission = !ehlo->is_lmtp;
    struct buf list = BUF_INIT(8192);
    buf_add(&list, ehlo->hostname);
    add_keyword(&list, true, "8BITMIME", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->mechanisms.n > 0, "AUTH", ehlo->mechanisms);
    add_keyword(&list, true, "BINARYMIME", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->has_burl, "BURL", ehlo->burl_args);
    add_keyword(&list, true, "CHUNKING", STR_EMPTY);
    add_keyword(&list, is_submission, "DELIVERBY", STR_EMPTY);
    add_keyword(&list, is_submission, "DSN", STR_EMPTY);
    add_keyword(&list, true, "ENHANCEDSTATUSCODES", STR_EMPTY);
    if (is_submission) {
        add_future_release(&list, ehlo);
    }
    add_limits(&list, ehlo);
    add_keyword(&list, is_submission, "MT-PRIORITY", STR_EMPTY);
    add_keyword(&list, true, "PIPELINING", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->is_tls, "REQUIRETLS", STR_EMPTY);
    add_size(&list, ehlo);
    add_keyword(&list, true, "SMTPUTF8", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->is_tls_offered, "STARTTLS", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->has_held, "XHELD", STR_EMPTY);
    smtp_write_reply(out, 250, STR_EMPTY, buf_str(&list));
    buf_release(&list);
}
