/* Parameters of MAIL and RCPT, and xtext (RFC 5321, 4.1.1.11; RFC 1870; RFC 3030; RFC 3461; RFC 4954; RFC 6152).
 *
 *     esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *     esmtp-value   = 1*(%d33-60 / %d62-126)
 *
 * Each command has a table of the parameters it takes and who reads the value; a name that is in no table is refused with 555,
 * a value that its reader does not take, or a second of the same name, with 501. What ENVID and ORCPT decode to may
 * end up in the header of a report, so only printable ASCII passes. */
#include "wire/smtp_path.h"

#include "wire/chars.h"

enum { ENVID_MOST = 100, ORCPT_MOST = 500, SIZE_DIGITS_MOST = 20 };

/* ---- xtext ---- */

void xtext_write(struct buf *out, struct str raw)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char octet = (unsigned char)raw.p[i];
        if (is_xchar(octet)) {
            buf_add_char(out, raw.p[i]);
            continue;
        }
        const char escaped[] = {'+', hex[octet >> 4], hex[octet & 15]};
        buf_add(out, str_make(escaped, sizeof(escaped)));
    }
}

/* xtext = *(xchar / hexchar); hexchar = "+" and two hex digits */
enum err xtext_parse(struct arena *a, struct str s, struct str *out)
{
    char *to = arena_alloc(a, s.n);
    size_t n = 0;
    if (to == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (is_xchar((unsigned char)s.p[i])) {
            to[n++] = s.p[i];
            continue;
        }
        int high = s.p[i] == '+' && s.n - i > 2 ? ascii_hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(s.p[i + 2]) : -1;
        if (low < 0) {
            return ERR_SYNTAX;
        }
        to[n++] = (char)(unsigned char)(high * 16 + low);
        i += 2;
    }
    *out = str_make(to, n);
    return ERR_OK;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7E) {
            return false;
        }
    }
    return true;
}

/* xtext that decodes to printable ASCII. */
static enum err parse_printable(struct arena *a, struct str value, struct str *out)
{
    TRY(xtext_parse(a, value, out));
    return is_printable(*out) ? ERR_OK : ERR_SYNTAX;
}

/* ---- values; they answer ERR_LIMIT or anything else for a value that is wrong ---- */

static enum err read_size(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    struct scan c = scan_make(value);
    (void)scan_run(&c, is_digit_char);
    if (value.n == 0 || value.n > SIZE_DIGITS_MOST || !scan_is_end(&c)) {
        return ERR_SYNTAX;
    }
    if (!str_to_u64(value, INT64_MAX, &mail->size)) {
        mail->size = INT64_MAX;
    }
    mail->has_size = true;
    return ERR_OK;
}

static enum err read_body(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    mail->has_body = true;
    if (str_eq_nocase(value, STR("7BIT"))) {
        mail->body = SMTP_BODY_7BIT;
    } else if (str_eq_nocase(value, STR("8BITMIME"))) {
        mail->body = SMTP_BODY_8BITMIME;
    } else if (str_eq_nocase(value, STR("BINARYMIME"))) {
        mail->body = SMTP_BODY_BINARYMIME;
    } else {
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

/* "AUTH=" addr-spec as xtext, or "<>" (RFC 4954, 5) */
static enum err read_auth(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    struct smtp_path path;
    struct str raw;
    mail->has_auth = true;
    if (str_eq(value, STR("<>"))) {
        return ERR_OK;
    }
    TRY(parse_printable(a, value, &raw));
    TRY(smtp_address_parse(a, raw, &path));
    mail->auth = path.address;
    return ERR_OK;
}

static enum err read_ret(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    if (str_eq_nocase(value, STR("FULL"))) {
        mail->ret = SMTP_RET_FULL;
    } else if (str_eq_nocase(value, STR("HDRS"))) {
        mail->ret = SMTP_RET_HDRS;
    } else {
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

static enum err read_envid(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    mail->has_envid = true;
    if (value.n == 0 || value.n > ENVID_MOST) {
        return ERR_SYNTAX;
    }
    return parse_printable(a, value, &mail->envid);
}

static unsigned find_notify(struct str word)
{
    if (str_eq_nocase(word, STR("SUCCESS"))) {
        return SMTP_NOTIFY_SUCCESS;
    }
    if (str_eq_nocase(word, STR("FAILURE"))) {
        return SMTP_NOTIFY_FAILURE;
    }
    return str_eq_nocase(word, STR("DELAY")) ? SMTP_NOTIFY_DELAY : 0;
}

/* notify-esmtp-value = "NEVER" / 1#notify-list-element */
static enum err read_notify(struct arena *a, struct str value, void *owner)
{
    struct smtp_rcpt *rcpt = owner;
    if (str_eq_nocase(value, STR("NEVER"))) {
        rcpt->notify = SMTP_NOTIFY_NEVER;
        return ERR_OK;
    }
    if (value.n == 0 || str_ends(value, STR(","))) {
        return ERR_SYNTAX;
    }
    while (value.n > 0) {
        unsigned bit = find_notify(str_split(&value, ','));
        if (bit == 0) {
            return ERR_SYNTAX;
        }
        rcpt->notify |= bit;
    }
    return ERR_OK;
}

/* original-recipient-address = addr-type ";" xtext */
static enum err read_orcpt(struct arena *a, struct str value, void *owner)
{
    struct smtp_rcpt *rcpt = owner;
    rcpt->has_orcpt = true;
    bool is_short = value.n <= ORCPT_MOST;
    struct str type = str_split(&value, ';');
    struct scan c = scan_make(type);
    (void)scan_run(&c, is_ldh);
    if (!is_short || type.n == 0 || !scan_is_end(&c) || value.n == 0) {
        return ERR_SYNTAX;
    }
    rcpt->orcpt_type = type;
    return parse_printable(a, value, &rcpt->orcpt);
}

/* ---- the lists ---- */

struct param_row {
    struct str name;
    enum err (*read)(struct arena *a, struct str value, void *owner);
};

static const struct param_row MAIL_PARAMS[] = {
    {{"SIZE", 4}, read_size}, {{"BODY", 4}, read_body},   {{"AUTH", 4}, read_auth},
    {{"RET", 3}, read_ret},   {{"ENVID", 5}, read_envid},
};

static const struct param_row RCPT_PARAMS[] = {
    {{"NOTIFY", 6}, read_notify},
    {{"ORCPT", 5}, read_orcpt},
};

struct param_table {
    const struct param_row *rows;
    size_t count;
    void *owner; /* what the rows write to */
};

/* Position of the row that param names; count when there is none. */
static size_t find_row(const struct param_table *table, struct str name)
{
    size_t i = 0;
    while (i < table->count && !str_eq_nocase(name, table->rows[i].name)) {
        i++;
    }
    return i;
}

static bool is_value(struct str value)
{
    struct scan c = scan_make(value);
    (void)scan_run(&c, is_esmtp_value_char);
    return scan_is_end(&c);
}

/* *(SP esmtp-param), to the end */
static enum err parse_params(struct arena *a, struct str s, const struct param_table *table)
{
    unsigned seen = 0;
    while (s.n > 0) {
        struct str value = str_split(&s, ' ');
        if (value.n == 0) {
            continue;
        }
        struct str name = str_split(&value, '=');
        size_t i = find_row(table, name);
        if (i == table->count) {
            return ERR_UNKNOWN_PARAM;
        }
        if ((seen & 1U << i) != 0 || !is_value(value)) {
            return ERR_BAD_PARAM;
        }
        seen |= 1U << i;
        enum err e = table->rows[i].read(a, value, table->owner);
        if (e != ERR_OK) {
            return e == ERR_LIMIT ? ERR_LIMIT : ERR_BAD_PARAM;
        }
    }
    return ERR_OK;
}

/* keyword path [SP parameters]; spaces behind the colon are common and harmless */
static enum err parse_path_and_params(struct arena *a, struct str args, enum smtp_path_kind kind,
                                      struct smtp_path *path, const struct param_table *table)
{
    struct scan c = scan_make(args);
    if (!scan_accept_nocase(&c, kind == SMTP_REVERSE_PATH ? STR("FROM:") : STR("TO:"))) {
        return ERR_SYNTAX;
    }
    while (scan_accept(&c, ' ')) {
    }
    scan_smtp_path(&c, a, kind, path);
    if (!scan_is_end(&c) && scan_peek(&c) != ' ') {
        scan_fail(&c, ERR_BAD_ADDRESS, "a space behind the address");
    }
    TRY(scan_get_err(&c));
    return parse_params(a, scan_rest(&c), table);
}

enum err smtp_mail_parse(struct arena *a, struct str args, struct smtp_mail *out)
{
    struct smtp_mail mail = {.has_size = false};
    struct param_table table = {MAIL_PARAMS, sizeof(MAIL_PARAMS) / sizeof(MAIL_PARAMS[0]), &mail};
    TRY(parse_path_and_params(a, args, SMTP_REVERSE_PATH, &mail.from, &table));
    *out = mail;
    return ERR_OK;
}

enum err smtp_rcpt_parse(struct arena *a, struct str args, struct smtp_rcpt *out)
{
    struct smtp_rcpt rcpt = {.notify = 0};
    struct param_table table = {RCPT_PARAMS, sizeof(RCPT_PARAMS) / sizeof(RCPT_PARAMS[0]), &rcpt};
    TRY(parse_path_and_params(a, args, SMTP_FORWARD_PATH, &rcpt.to, &table));
    *out = rcpt;
    return ERR_OK;
}
