/* mailto:anna@example.org,ben@example.org?subject=x&cc=...&body=...
 *
 * The path and the values of "to" and "cc" are lists of addresses, percent-encoded as a whole or each for itself. They become the
 * envelope's recipients, so each must be an address that SMTP takes; one that is not makes the whole URI wrong. Of the other fields only
 * those go on that cannot change what kind of message it is: a script's author does not get to forge trace or identity by a URI. */
#include "filter/mailto.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "wire/smtp_scan.h"

static struct str decode(struct arena *a, struct str s)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(MAILTO_OCTETS_MOST);
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? ascii_hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(s.p[i + 2]) : -1;
        if (low >= 0) {
            buf_add_char(&out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_char(&out, s.p[i]);
        }
    }
    return arena_str(a, buf_str(&out));
}

static struct str join(struct arena *a, struct str list, struct str more)
{
    return list.n == 0 ? more : arena_printf(a, "%.*s, %.*s", STR_ARG(list), STR_ARG(more));
}

static bool has_recipient(const struct mailto *m, struct str address)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (str_eq_nocase(m->recipients[i], address)) {
            return true;
        }
    }
    return false;
}

/* list: addr-specs with commas between, still encoded. */
static enum err add_recipients(struct arena *a, struct str list, struct mailto *m,
                               struct str *field)
{
    while (list.n > 0) {
        struct str s = str_trim(decode(a, str_split(&list, ',')));
        struct smtp_path path = {0};
        if (s.n == 0) {
            continue;
        }
        TRY(smtp_address_parse(a, s, &path) == ERR_OK ? ERR_OK : ERR_SYNTAX);
        if (path.domain.n == 0) {
            return ERR_SYNTAX;
        }
        *field = join(a, *field, path.address);
        if (has_recipient(m, path.address)) {
            continue;
        }
        if (m->recipient_count == MAILTO_RECIPIENTS_MOST) {
            return ERR_LIMIT;
        }
        m->recipients[m->recipient_count++] = path.address;
    }
    return ERR_OK;
}

static bool is_allowed(struct str name)
{
    static const char *const REFUSED[] = {
        "from",           "date",         "message-id",   "received",
        "auto-submitted", "bcc",          "sender",       "return-path",
        "reply-to",       "mime-version", "delivered-to", "in-reply-to",
        "references",     "precedence",   "errors-to",    "dkim-signature",
        "importance",     "x-priority",
    };
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        if (str_eq_nocase(name, str_from_c(REFUSED[i]))) {
            return false;
        }
    }
    bool is_other = !str_starts_nocase(name, STR("resent-"))
                    && !str_starts_nocase(name, STR("list-"))
                    && !str_starts_nocase(name, STR("content-"));
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        is_other = is_other && c > ' ' && c < 127 && c != ':';
    }
    return is_other && name.n > 0;
}

static enum err add_field(struct arena *a, struct str pair, struct mailto *m)
{
    struct str value = pair;
    struct str name = decode(a, str_split(&value, '='));
    if (str_eq_nocase(name, STR("to"))) {
        return add_recipients(a, value, m, &m->to);
    }
    if (str_eq_nocase(name, STR("cc"))) {
        return add_recipients(a, value, m, &m->cc);
    }
    value = decode(a, value);
    if (!utf8_is_valid(value)) {
        return ERR_SYNTAX;
    }
    if (str_eq_nocase(name, STR("subject"))) {
        m->has_subject = true;
        m->subject = value;
    } else if (str_eq_nocase(name, STR("body"))) {
        m->has_body = true;
        m->body = value;
    } else if (is_allowed(name)) {
        if (m->field_count == MAILTO_FIELDS_MOST) {
            return ERR_LIMIT;
        }
        m->fields[m->field_count++] = (struct mailto_field){name, value};
    }
    return ERR_OK;
}

enum err mailto_parse(struct arena *a, struct str uri, struct mailto *out)
{
    *out = (struct mailto){.recipient_count = 0};
    if (!str_starts_nocase(uri, STR("mailto:")) || uri.n > MAILTO_OCTETS_MOST) {
        return ERR_SYNTAX;
    }
    struct str fields = str_skip(uri, sizeof("mailto:") - 1);
    TRY(add_recipients(a, str_split(&fields, '?'), out, &out->to));
    while (fields.n > 0) {
        TRY(add_field(a, str_split(&fields, '&'), out));
    }
    return out->recipient_count > 0 ? ERR_OK : ERR_SYNTAX;
}
