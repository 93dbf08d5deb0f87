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
    }
    if (smtp_rcpt_parse(a, command.args, &rcpt) == ERR_OK) {
        assert(!rcpt.to.is_null && rcpt.to.address.n > 0);
        check_path(a, &rcpt.to);
        check_printable(rcpt.orcpt);
    }
    if (smtp_address_parse(a, command.args, &path) == ERR_OK) {
        check_path(a, &path);
    }
    (void)!xtext_parse(a, command.args, &text);
    check_simple(command.args);
    arena_free(&a);
    return 0;
}
