/* Sections of messages: what stands between the brackets of BODY[...] and behind ;SECTION= (RFC 3501, 9: section-spec).
 *
 *     section-spec    = section-msgtext / (section-part ["." section-text])
 *     section-part    = nz-number *("." nz-number)
 *     section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
 *     section-text    = section-msgtext / "MIME"
 *
 * An empty section is the whole message. What is written is canonical (upper case, astrings as short as can be), so that
 * two sections are the same when their texts are. */
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

static const struct {
    struct str name;
    enum section_text text;
} TEXTS[] = {
    /* longer names before their beginnings */
    {{"HEADER.FIELDS.NOT", 17}, SECTION_HEADER_FIELDS_NOT},
    {{"HEADER.FIELDS", 13}, SECTION_HEADER_FIELDS},
    {{"HEADER", 6}, SECTION_HEADER},
    {{"TEXT", 4}, SECTION_TEXT},
    {{"MIME", 4}, SECTION_MIME},
};

enum { TEXT_COUNT = sizeof(TEXTS) / sizeof(TEXTS[0]) };

/* section-part, and the "." behind it when a text follows. */
static void scan_path(struct scan *c, struct arena *a, struct section *out, bool *has_dot)
{
    uint32_t path[SECTION_DEPTH_MOST];
    uint32_t depth = 0;
    do {
        int octet = scan_peek(c);
        *has_dot = depth > 0;
        if (depth > 0 && !ascii_is_digit((char)octet)) {
            break;
        }
        *has_dot = false;
        if (depth == SECTION_DEPTH_MOST) {
            scan_fail(c, ERR_TOO_DEEP, "fewer part numbers");
            return;
        }
        path[depth++] = scan_nz_number(c);
    } while (scan_accept(c, '.'));
    uint32_t *to = arena_array(a, uint32_t, depth);
    if (to == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter section");
        return;
    }
    memcpy(to, path, depth * sizeof(*to));
    out->path = to;
    out->depth = depth;
}

/* header-fld-name *(SP header-fld-name); fields NULL: only counts them */
static uint32_t scan_fields(struct scan *c, struct arena *a, struct str *fields)
{
    uint32_t n = 0;
    do {
        struct str field = scan_astring(c, a);
        if (n == SECTION_FIELDS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer header fields");
            return 0;
        }
        if (fields != NULL && scan_is_ok(c)) {
            fields[n] = field;
        }
        n++;
    } while (scan_accept(c, ' '));
    return n;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static void scan_header_list(struct scan *c, struct arena *a, struct section *out)
{
    scan_sp(c);
    scan_require(c, '(', "a list of header fields");
    struct scan probe = *c;
    uint32_t count = scan_fields(&probe, a, NULL);
    struct str *fields = arena_array(a, struct str, count);
    if (fields == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer header fields");
        return;
    }
    if (scan_get_err(&probe) != ERR_OK) {
        *c = probe;
        return;
    }
    out->field_count = scan_fields(c, a, fields);
    out->fields = fields;
    scan_require(c, ')', "the end of a list of header fields");
}

void scan_section_spec(struct scan *c, struct arena *a, struct section *out)
{
    bool has_dot = false;
    *out = (struct section){.text = SECTION_ALL};
    int octet = scan_peek(c);
    if (octet < 0 || octet == ']') {
        return;
    }
    if (ascii_is_digit((char)octet)) {
        scan_path(c, a, out, &has_dot);
        if (!has_dot) {
            return;
        }
    }
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        bool is_allowed = TEXTS[i].text != SECTION_MIME || out->depth > 0;
        if (is_allowed && scan_accept_nocase(c, TEXTS[i].name)) {
            out->text = TEXTS[i].text;
            if (out->text == SECTION_HEADER_FIELDS || out->text == SECTION_HEADER_FIELDS_NOT) {
                scan_header_list(c, a, out);
            }
            return;
        }
    }
    scan_fail(c, ERR_SYNTAX, "a section");
}

enum err section_parse(struct arena *a, struct str s, struct section *out)
{
    struct scan c = scan_make(s);
    scan_section_spec(&c, a, out);
    scan_require_end(&c);
    return scan_get_err(&c);
}

static void write_fields(struct buf *out, const struct section *s)
{
    buf_add_c(out, " (");
    for (uint32_t i = 0; i < s->field_count; i++) {
        if (i > 0) {
            buf_add_char(out, ' ');
        }
        imap_write_astring(out, s->fields[i]);
    }
    buf_add_char(out, ')');
}

void section_write(struct buf *out, const struct section *s)
{
    for (uint32_t i = 0; i < s->depth; i++) {
        if (i > 0) {
            buf_add_char(out, '.');
        }
        buf_add_u64(out, s->path[i]);
    }
    if (s->depth > 0 && s->text != SECTION_ALL) {
        buf_add_char(out, '.');
    }
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (TEXTS[i].text == s->text) {
            buf_add(out, TEXTS[i].name);
        }
    }
    if (s->text == SECTION_HEADER_FIELDS || s->text == SECTION_HEADER_FIELDS_NOT) {
        write_fields(out, s);
    }
}
