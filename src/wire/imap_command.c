/* The beginning of every command, and the lines of a SASL exchange: what the edge reads before login and the session after
 * it (RFC 3501, 9: command, base64; RFC 4959).
 *
 * A tag is worth saving even from a broken command: the BAD that carries it tells the client which of its commands it
 * was. So imap_find_tag() looks only at the first word. */
#include "wire/imap_scan.h"

#include "base/base64.h"
#include "wire/chars.h"

struct str imap_find_tag(struct str text)
{
    struct scan c = scan_make(text);
    struct str tag = scan_run(&c, is_tag_char);
    return scan_is_end(&c) || scan_peek(&c) == ' ' ? tag : STR_EMPTY;
}

static struct str scan_name(struct scan *c)
{
    struct str name = scan_run(c, is_atom_char);
    if (name.n == 0) {
        scan_fail(c, ERR_SYNTAX, "a command");
    }
    return name;
}

enum err imap_command_parse(struct str text, struct imap_command *out)
{
    struct scan c = scan_make(text);
    *out = (struct imap_command){.is_uid = false};
    out->tag = imap_find_tag(text);
    (void)scan_tag(&c);
    scan_sp(&c);
    out->name = scan_name(&c);
    if (str_eq_nocase(out->name, STR("UID")) && scan_peek(&c) == ' ') {
        scan_sp(&c);
        out->name = scan_name(&c);
        out->is_uid = true;
    }
    if (!scan_is_end(&c) && scan_peek(&c) != ' ') {
        scan_fail(&c, ERR_SYNTAX, "a space");
    }
    out->args = c;
    return scan_get_err(&c);
}

static void scan_base64(struct scan *c, struct buf *out)
{
    size_t start = c->at;
    enum err e = base64_parse(scan_run(c, is_base64_char), out);
    if (e != ERR_OK && scan_is_ok(c)) {
        c->at = start;
        scan_fail(c, e, "base64");
    }
}

/* initial-resp = (base64 / "=") */
void scan_initial_response(struct scan *c, struct buf *out)
{
    struct str rest = scan_rest(c);
    if (str_eq(rest, STR("="))) {
        c->at++;
        return;
    }
    scan_base64(c, out);
    scan_require_end(c);
}

bool scan_sasl_line(struct scan *c, struct buf *out)
{
    if (str_eq(scan_rest(c), STR("*"))) {
        c->at++;
        return false;
    }
    scan_base64(c, out);
    scan_require_end(c);
    return true;
}
