/* Names and passwords: the same person must be the same octets, whichever phone's keyboard made them.
 *
 * SASLprep (RFC 4013) is what PLAIN (RFC 4616, 2) and SCRAM (RFC 5802, 2.2) ask for; libgsasl has it. On top of it names
 * fold ASCII letters, because phones like to begin a name with a capital; nothing else folds, so that the rule fits in
 * one sentence. A name is also the key of a folder and stands in URLs and log lines: what would be trouble there is no
 * name. Passwords do not fold. */
#include "auth/names.h"

#include <gsasl.h>
#include <stdlib.h>

enum { LOCAL_PART_MOST = 255 };

/* SASLprep of s as a fresh C string, NULL when it forbids it. The caller frees. */
static char *saslprep(struct str s, bool is_new)
{
    struct buf c = BUF_INIT(PASSWORD_MOST + 1);
    buf_add(&c, s);
    char *prepared = NULL;
    int rc = GSASL_SASLPREP_ERROR;
    if (c.len > 0 && memchr(c.p, '\0', c.len) == NULL) {
        rc = gsasl_saslprep(c.p, is_new ? 0 : GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
        explicit_bzero(c.p, c.size);
    }
    buf_release(&c);
    return rc == GSASL_OK ? prepared : NULL;
}

static bool is_name_octet(unsigned char c)
{
    return c > ' ' && c != 0x7f && c != '/';
}

static bool is_name(struct str s)
{
    bool has_other_than_dot = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_name_octet((unsigned char)s.p[i])) {
            return false;
        }
        has_other_than_dot = has_other_than_dot || s.p[i] != '.';
    }
    return has_other_than_dot && s.n <= NAME_MOST;
}

/* SASLprep of s with its ASCII letters folded first, so that what is composed is composed of what stays. */
static char *fold_and_prepare(struct str s, bool is_new)
{
    struct buf folded = BUF_INIT(PASSWORD_MOST + 1);
    for (size_t i = 0; i < s.n; i++) {
        buf_add_char(&folded, ascii_lower(s.p[i]));
    }
    char *prepared = folded.is_full ? NULL : saslprep(buf_str(&folded), is_new);
    buf_release(&folded);
    return prepared;
}

/* Twice: preparing may bring capitals to light (a ROMAN NUMERAL NINE), and folding these may leave a letter beside its
 * accent. The second time changes nothing that a third would change. */
enum err name_prepare(struct str raw, bool is_new, struct buf *out)
{
    if (raw.n == 0 || raw.n > NAME_MOST) {
        return ERR_SYNTAX;
    }
    char *once = fold_and_prepare(raw, is_new);
    char *twice = once == NULL ? NULL : fold_and_prepare(str_from_c(once), is_new);
    struct str name = str_from_c(twice);
    enum err e = is_name(name) ? ERR_OK : ERR_SYNTAX;
    if (e == ERR_OK) {
        buf_add(out, name);
    }
    free(once);
    free(twice);
    return e;
}

enum err password_prepare(struct str raw, bool is_new, struct buf *out)
{
    if (raw.n == 0 || raw.n > PASSWORD_MOST) {
        return ERR_SYNTAX;
    }
    char *prepared = saslprep(raw, is_new);
    if (prepared == NULL && is_new) {
        return ERR_SYNTAX;
    }
    struct str password = prepared == NULL ? raw : str_from_c(prepared);
    enum err e = password.n > 0 ? ERR_OK : ERR_SYNTAX;
    buf_add(out, password);
    if (prepared != NULL) {
        explicit_bzero(prepared, strlen(prepared));
    }
    free(prepared);
    return e;
}

/* Appends what a quoted local part means (RFC 5321, 4.1.2 Quoted-string). quoted: with its quotes. */
static enum err unquote(struct str quoted, struct buf *out)
{
    if (quoted.n < 3 || !str_ends(quoted, STR("\""))) {
        return ERR_BAD_ADDRESS;
    }
    for (size_t i = 1; i + 1 < quoted.n; i++) {
        if (quoted.p[i] == '\\' && ++i + 1 >= quoted.n) {
            return ERR_BAD_ADDRESS;
        }
        buf_add_char(out, quoted.p[i]);
    }
    return ERR_OK;
}

enum err address_split(struct str address, struct buf *local, struct str *domain)
{
    size_t at = str_find_last_char(address, '@');
    struct str left = str_sub(address, 0, at);
    struct str right = str_skip(address, at + 1);
    if (at >= address.n || left.n == 0 || right.n == 0 || left.n > LOCAL_PART_MOST) {
        return ERR_BAD_ADDRESS;
    }
    if (str_starts(left, STR("\""))) {
        TRY(unquote(left, local));
    } else {
        buf_add(local, left);
    }
    *domain = right;
    return buf_err(local);
}

struct str address_cut_detail(struct str local, struct str delimiters, struct str *detail)
{
    for (size_t i = 1; i < local.n; i++) { /* "+detail" alone is a name of its own */
        if (str_find_char(delimiters, local.p[i]) < delimiters.n) {
            *detail = str_make(local.p + i + 1, local.n - i - 1);
            return str_sub(local, 0, i);
        }
    }
    *detail = STR_EMPTY;
    return local;
}

enum err address_join(struct str local, struct str domain, bool is_new, struct buf *out)
{
    size_t before = out->len;
    enum err e = local.n > 0 ? name_prepare(local, is_new, out) : ERR_OK;
    if (e == ERR_OK) {
        buf_add_char(out, '@');
        e = name_prepare(domain, is_new, out);
    }
    bool is_one = str_find_char(domain, '@') == domain.n && str_find_char(domain, '"') == domain.n;
    if (e != ERR_OK || !is_one || out->is_full) {
        buf_truncate(out, before);
        return ERR_BAD_ADDRESS;
    }
    return ERR_OK;
}

enum err address_prepare(struct str raw, bool is_new, struct buf *out)
{
    CLEANUP(buf_release) struct buf local = BUF_INIT(2 * NAME_MOST);
    struct str domain = str_skip(raw, 1);
    if (str_find_char(raw, '@') == raw.n) {
        return name_prepare(raw, is_new, out);
    }
    if (raw.p[0] != '@') {
        TRY(address_split(raw, &local, &domain));
    }
    return address_join(buf_str(&local), domain, is_new, out);
}
