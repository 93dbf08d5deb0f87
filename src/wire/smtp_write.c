/* Writing SMTP: replies, and the list of extensions that answers EHLO.
 *
 * Every reply goes through one function, which puts the enhanced code on each line (RFC 2034, 4) and lets no control
 * octet through: what a peer sent may be quoted in a reply without becoming a line of it. */
#include "wire/smtp_write.h"

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

void smtp_write_ehlo(struct buf *out, const struct smtp_ehlo *ehlo)
{
    bool is_submission = !ehlo->is_lmtp;
    char digits[24] = "";
    if (ehlo->size_most > 0) {
        (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)ehlo->size_most);
    }
    struct buf list = BUF_INIT(8192);
    buf_add(&list, ehlo->hostname);
    add_keyword(&list, true, "8BITMIME", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->mechanisms.n > 0, "AUTH", ehlo->mechanisms);
    add_keyword(&list, true, "BINARYMIME", STR_EMPTY);
    add_keyword(&list, is_submission && ehlo->has_burl, "BURL", ehlo->burl_args);
    add_keyword(&list, true, "CHUNKING", STR_EMPTY);
    add_keyword(&list, is_submission, "DSN", STR_EMPTY);
    add_keyword(&list, true, "ENHANCEDSTATUSCODES", STR_EMPTY);
    add_keyword(&list, true, "PIPELINING", STR_EMPTY);
    add_keyword(&list, true, "SIZE", str_from_c(digits));
    add_keyword(&list, is_submission && ehlo->is_tls_offered, "STARTTLS", STR_EMPTY);
    smtp_write_reply(out, 250, STR_EMPTY, buf_str(&list));
    buf_release(&list);
}
