/* Fuzzes SMTP command lines and their arguments: addresses that were read are written so that they read as the same. */
#include "fuzz.h"

#include "wire/smtp_scan.h"

#include <assert.h>

static void check_path(struct arena *a, const struct smtp_path *path)
{
    struct smtp_path again;
    if (path->is_null || path->domain.n == 0) {
        return;
    }
    enum err e = smtp_address_parse(a, path->address, &again);
    assert(e == ERR_OK);
    assert(str_eq(again.local, path->local) && str_eq(again.address, path->address));
}

static void check_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        assert(s.p[i] >= 0x20 && s.p[i] <= 0x7E);
    }
}

/* The terms are within their bounds, whatever was sent. */
static void check_terms(const struct smtp_mail *mail)
{
    bool is_held = (mail->given & (SMTP_PARAM_HOLDFOR | SMTP_PARAM_HOLDUNTIL)) != 0;
    assert(is_held == (mail->hold.n > 0) && mail->hold.n < 64);
    assert(mail->hold_for_s <= SMTP_SECONDS_MOST);
    assert(mail->by != SMTP_BY_RETURN || mail->by_s > 0);
    assert(mail->by_s >= -SMTP_SECONDS_MOST && mail->by_s <= SMTP_SECONDS_MOST);
    assert(mail->priority >= -9 && mail->priority <= 9);
    assert(!mail->from.is_utf8 || (mail->given & SMTP_PARAM_SMTPUTF8) != 0);
}

/* An original recipient that was read is read again as the same, in either form. */
static void check_orcpt(struct arena *a, const struct smtp_rcpt *rcpt)
{
    struct buf decoded = BUF_INIT(8192);
    for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
        struct smtp_rcpt again;
        struct buf line = BUF_INIT(8192);
        buf_clear(&decoded);
        buf_add(&decoded, rcpt->orcpt_type);
        buf_add_char(&decoded, ';');
        buf_add(&decoded, rcpt->orcpt);
        buf_add_c(&line, "TO:<a@b> ORCPT=");
        smtp_orcpt_write(&line, buf_str(&decoded), is_utf8 == 1);
        enum err e = smtp_rcpt_parse(a, buf_str(&line), &again);
        assert(e == ERR_BAD_PARAM || e == ERR_LIMIT
               || e == ERR_OK); /* it may have grown too long */
        assert(e != ERR_OK || str_eq(again.orcpt, rcpt->orcpt));
        buf_release(&line);
    }
    buf_release(&decoded);
}

static void check_simple(struct str args)
{
    struct smtp_bdat bdat;
    struct smtp_burl burl;
    struct smtp_auth auth;
    struct str helo;
    (void)!smtp_bdat_parse(args, &bdat);
    (void)!smtp_burl_parse(args, &burl);
    (void)!smtp_auth_parse(args, &auth);
    (void)!smtp_parse_helo(args, &helo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 * 1024);
    struct smtp_command command;
    struct smtp_mail mail;
    struct smtp_rcpt rcpt;
    struct smtp_path path;
    struct str text;
    smtp_command_parse(str_make((const char *)data, size), &command);
    if (smtp_mail_parse(a, command.args, &mail) == ERR_OK) {
        check_path(a, &mail.from);
        check_printable(mail.envid);
        check_printable(mail.auth);
        check_terms(&mail);
    }
    if (smtp_rcpt_parse(a, command.args, &rcpt) == ERR_OK) {
        assert(!rcpt.to.is_null && rcpt.to.address.n > 0);
        check_path(a, &rcpt.to);
        if (!str_eq_nocase(rcpt.orcpt_type, STR("utf-8"))) {
            check_printable(rcpt.orcpt);
        }
        if (rcpt.has_orcpt) {
            check_orcpt(a, &rcpt);
        }
    }
    if (smtp_address_parse(a, command.args, &path) == ERR_OK) {
        check_path(a, &path);
    }
    (void)!xtext_parse(a, command.args, &text);
    check_simple(command.args);
    arena_free(&a);
    return 0;
}
