/* Reading APPEND, also while it is still arriving.
 *
 *     APPEND mailbox *( [SP flags] [SP date] SP data )
 *     data = literal | utf8 | CATENATE SP "(" part *(SP part) ")"        part = TEXT SP literal | utf8 | URL SP astring
 *     between our own sessions also "EMAILID" SP objectid before data: the name of what is copied from another account
 *     utf8 = "UTF8" SP "(" literal8 ")"              what RFC 6855 asked of clients, and RFC 9755 no more
 *
 * A message's octets do not stand in the text: whenever a literal is announced, the text so far is read, and the place where
 * it ends says what the literal is. So the same rules read a whole command and each of its beginnings. */
#include "imap/append_scan.h"

static struct append_part *add_part(struct scan *c, struct arena *a, struct append_part ***tail)
{
    struct append_part *part = arena_one(a, struct append_part);
    if (part == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer parts");
        return NULL;
    }
    **tail = part;
    *tail = &part->next;
    return part;
}

/* A literal that was streamed. */
static void scan_streamed(struct scan *c, struct arena *a, struct append_part ***tail)
{
    struct scan_literal_out literal = scan_literal(c);
    if (scan_is_ok(c) && !literal.is_streamed) {
        scan_fail(c, ERR_SYNTAX, "a message literal");
    }
    (void)add_part(c, a, tail);
}

/* "UTF8 (" was read; false: the text ends here. */
static bool scan_utf8(struct scan *c, struct arena *a, struct append_part ***tail)
{
    if (scan_is_end(c)) {
        return false;
    }
    scan_streamed(c, a, tail);
    scan_require(c, ')', "the end of UTF8 data");
    return true;
}

/* false: the text ends here. */
static bool scan_cat_part(struct scan *c, struct arena *a, struct append_scan *out,
                          struct append_part ***tail)
{
    if (scan_accept_nocase(c, STR("TEXT "))) {
        if (scan_is_end(c)) {
            out->place = APPEND_AT_TEXT;
            return false;
        }
        scan_streamed(c, a, tail);
        return true;
    }
    if (scan_accept_nocase(c, STR("UTF8 ("))) {
        out->place = APPEND_AT_TEXT;
        return scan_utf8(c, a, tail);
    }
    if (!scan_accept_nocase(c, STR("URL "))) {
        scan_fail(c, ERR_SYNTAX, "TEXT or URL");
        return false;
    }
    if (scan_is_end(c)) {
        return false;
    }
    struct str url = scan_astring(c, a);
    struct append_part *part = add_part(c, a, tail);
    if (part != NULL) {
        part->is_url = true;
        part->url = url;
    }
    return true;
}

static void scan_catenate(struct scan *c, struct arena *a, struct append_scan *out,
                          struct append_message *m)
{
    struct append_part **tail = &m->parts;
    m->is_catenate = true;
    scan_require(c, '(', "the parts in parentheses");
    while (scan_is_ok(c)) {
        if (!scan_cat_part(c, a, out, &tail)) {
            return;
        }
        if (scan_accept(c, ')')) {
            out->place = APPEND_AT_END;
            return;
        }
        if (scan_is_end(c)) {
            return;
        }
        scan_sp(c);
    }
}

static void scan_message(struct scan *c, struct arena *a, struct append_scan *out,
                         struct append_message *m)
{
    struct append_part **tail = &m->parts;
    out->place = APPEND_AT_WORD;
    scan_sp(c);
    if (scan_peek(c) == '(') {
        scan_flag_list(c, a, &m->flags);
        scan_sp(c);
    }
    if (scan_peek(c) == '"') {
        m->date_s = scan_date_time(c);
        m->has_date = true;
        scan_sp(c);
    }
    if (out->is_copy && scan_accept_nocase(c, STR("EMAILID "))) {
        m->email_id = scan_objectid(c);
        scan_sp(c);
    }
    if (!scan_is_ok(c)) {
        return;
    }
    if (scan_is_end(c)) {
        out->place = APPEND_AT_MESSAGE;
        return;
    }
    if (scan_accept_nocase(c, STR("CATENATE "))) {
        scan_catenate(c, a, out, m);
        return;
    }
    if (scan_accept_nocase(c, STR("UTF8 ("))) {
        out->place = scan_utf8(c, a, &tail) ? APPEND_AT_END : APPEND_AT_MESSAGE;
        return;
    }
    scan_streamed(c, a, &tail);
    out->place = APPEND_AT_END;
}

void append_scan(struct scan *c, struct arena *a, struct append_scan *out)
{
    struct append_message **tail = &out->messages;
    *out = (struct append_scan){.place = APPEND_AT_WORD, .is_copy = out->is_copy};
    scan_sp(c);
    if (scan_is_end(c)) {
        return;
    }
    out->mailbox = scan_mailbox(c, a);
    while (scan_is_ok(c)) {
        struct append_message *m = arena_one(a, struct append_message);
        if (m == NULL) {
            scan_fail(c, ERR_LIMIT, "fewer messages");
            return;
        }
        *tail = m;
        tail = &m->next;
        scan_message(c, a, out, m);
        if (out->place != APPEND_AT_END || scan_is_end(c)) {
            return;
        }
    }
}
