/* Parameters of MAIL and RCPT, and xtext (RFC 5321, 4.1.1.11; RFC 1870; RFC 2852; RFC 3030; RFC 3461; RFC 4865; RFC 4954;
 * RFC 6152; RFC 6531; RFC 6710; RFC 8689).
 *
 *     esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *     esmtp-value   = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)
 *
 * Each command has a table of the parameters it takes and who reads the value; a name that is in no table is refused with
 * 555, a value that its reader does not take, or a second of the same name, with 501; so is a value for a parameter that has
 * none. What ENVID and ORCPT decode to may end up in the header of a report, so only printable ASCII passes, and for an address
 * of type utf-8 what an address may hold. */
#include "wire/smtp_path.h"

#include "wire/chars.h"
#include "wire/imap_date.h"

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
    if (str_eq_nocase(type, STR("utf-8"))) {
        rcpt->is_utf8 = !is_printable(value);
        return utf8_address_parse(a, value, &rcpt->orcpt);
    }
    return parse_printable(a, value, &rcpt->orcpt);
}

/* A keyword alone: that it was given is all it says. */
static enum err read_nothing(struct arena *a, struct str value, void *owner)
{
    return ERR_OK;
}

/* future-release-integer = %x31-39 *8DIGIT (RFC 4865, 3) */
static enum err read_hold_for(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    uint64_t seconds = 0;
    if (!str_to_u64(value, SMTP_SECONDS_MOST, &seconds) || value.p[0] == '0') {
        return ERR_SYNTAX;
    }
    mail->hold = value;
    mail->hold_for_s = (uint32_t)seconds;
    return ERR_OK;
}

/* future-release-date-time: date-time of RFC 3339 in UTC */
static enum err read_hold_until(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    struct scan c = scan_make(value);
    mail->hold = value;
    mail->hold_until_s = scan_rfc3339(&c);
    return scan_is_ok(&c) && scan_is_end(&c) && str_ends_nocase(value, STR("Z")) ? ERR_OK
                                                                                 : ERR_SYNTAX;
}

/* by-value = ["-" / "+"] 1*9digit ";" ("N" / "R") ["T"]; with R it must be positive (RFC 2852, 4) */
static enum err read_by(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    struct str time = str_split(&value, ';');
    bool is_past = str_starts(time, STR("-"));
    bool is_signed = is_past || str_starts(time, STR("+"));
    uint64_t seconds = 0;
    time = str_skip(time, is_signed ? 1 : 0);
    if (time.n > 9 || !str_to_u64(time, SMTP_SECONDS_MOST, &seconds)) {
        return ERR_SYNTAX;
    }
    mail->by_s = is_past ? -(int32_t)seconds : (int32_t)seconds;
    mail->is_by_traced = value.n == 2 && ascii_upper(value.p[1]) == 'T';
    struct str mode = str_sub(value, 0, 1);
    mail->by = str_eq_nocase(mode, STR("N")) ? SMTP_BY_NOTIFY : SMTP_BY_RETURN;
    bool is_mode = value.n == (mail->is_by_traced ? 2U : 1U)
                   && (mail->by == SMTP_BY_NOTIFY || str_eq_nocase(mode, STR("R")));
    return is_mode && (mail->by_s > 0 || mail->by == SMTP_BY_NOTIFY) ? ERR_OK : ERR_SYNTAX;
}

/* priority-value = (["-"] NZDIGIT) / "0" (RFC 6710, 7) */
static enum err read_priority(struct arena *a, struct str value, void *owner)
{
    struct smtp_mail *mail = owner;
    bool is_negative = str_starts(value, STR("-"));
    struct str digit = str_skip(value, is_negative ? 1 : 0);
    if (digit.n != 1 || !ascii_is_digit(digit.p[0]) || (is_negative && digit.p[0] == '0')) {
        return ERR_SYNTAX;
    }
    int n = digit.p[0] - '0';
    mail->priority = (int8_t)(is_negative ? -n : n);
    return ERR_OK;
}

/* ---- the lists ---- */

struct param_row {
    struct str name;
    enum err (*read)(struct arena *a, struct str value, void *owner);
    bool is_bare; /* it has no value; the others must have one */
};

/* In the order of enum smtp_mail_param. */
static const struct param_row MAIL_PARAMS[] = {
    {{"SIZE", 4}, read_size, false},
    {{"BODY", 4}, read_body, false},
    {{"AUTH", 4}, read_auth, false},
    {{"RET", 3}, read_ret, false},
    {{"ENVID", 5}, read_envid, false},
    {{"SMTPUTF8", 8}, read_nothing, true},
    {{"HOLDFOR", 7}, read_hold_for, false},
    {{"HOLDUNTIL", 9}, read_hold_until, false},
    {{"BY", 2}, read_by, false},
    {{"MT-PRIORITY", 11}, read_priority, false},
    {{"REQUIRETLS", 10}, read_nothing, true},
};

static const struct param_row RCPT_PARAMS[] = {
    {{"NOTIFY", 6}, read_notify, false},
    {{"ORCPT", 5}, read_orcpt, false},
};

struct param_table {
    const struct param_row *rows;
    size_t count;
    void *owner;    /* what the rows write to */
    unsigned given; /* bit i: row i was there */
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

static bool is_value_octet(unsigned char octet)
{
    return is_esmtp_value_char(octet) || octet > 0x7F;
}

static bool is_value(struct str value)
{
    struct scan c = scan_make(value);
    (void)scan_run(&c, is_value_octet);
    return value.n > 0 && scan_is_end(&c);
}

/* esmtp-keyword ["=" esmtp-value] */
static enum err parse_param(struct arena *a, struct str param, struct param_table *table)
{
    struct str value = param;
    struct str name = str_split(&value, '=');
    size_t i = find_row(table, name);
    if (i == table->count) {
        return ERR_UNKNOWN_PARAM;
    }
    bool is_right = table->rows[i].is_bare ? name.n == param.n : is_value(value);
    if ((table->given & 1U << i) != 0 || !is_right) {
        return ERR_BAD_PARAM;
    }
    table->given |= 1U << i;
    enum err e = table->rows[i].read(a, value, table->owner);
    return e == ERR_OK || e == ERR_LIMIT ? e : ERR_BAD_PARAM;
}

/* *(SP esmtp-param), to the end */
static enum err parse_params(struct arena *a, struct str s, struct param_table *table)
{
    while (s.n > 0) {
        struct str param = str_split(&s, ' ');
        if (param.n > 0) {
            TRY(parse_param(a, param, table));
        }
    }
    return ERR_OK;
}

/* keyword path [SP parameters]; spaces behind the colon are common and harmless */
static enum err parse_path_and_params(struct arena *a, struct str args, enum smtp_path_kind kind,
                                      struct smtp_path *path, struct param_table *table)
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
    struct param_table table = {MAIL_PARAMS, sizeof(MAIL_PARAMS) / sizeof(MAIL_PARAMS[0]), &mail,
                                0};
    TRY(parse_path_and_params(a, args, SMTP_REVERSE_PATH, &mail.from, &table));
    mail.given = table.given;
    if ((mail.given & SMTP_PARAM_HOLDFOR) != 0 && (mail.given & SMTP_PARAM_HOLDUNTIL) != 0) {
        return ERR_BAD_PARAM; /* RFC 4865, 4.2: one hold-param */
    }
    if (mail.from.is_utf8 && (mail.given & SMTP_PARAM_SMTPUTF8) == 0) {
        return ERR_UTF8_SENDER;
    }
    *out = mail;
    return ERR_OK;
}

enum err smtp_rcpt_parse(struct arena *a, struct str args, struct smtp_rcpt *out)
{
    struct smtp_rcpt rcpt = {.notify = 0};
    struct param_table table = {RCPT_PARAMS, sizeof(RCPT_PARAMS) / sizeof(RCPT_PARAMS[0]), &rcpt,
                                0};
    TRY(parse_path_and_params(a, args, SMTP_FORWARD_PATH, &rcpt.to, &table));
    rcpt.is_utf8 = rcpt.is_utf8 || rcpt.to.is_utf8;
    *out = rcpt;
    return ERR_OK;
}
