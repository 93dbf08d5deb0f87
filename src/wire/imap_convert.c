/* What CONVERT asks for (RFC 5259, 10).
 *
 *     convert     = "CONVERT" SP sequence-set SP convert-params SP
 *                   ( convert-att / "(" convert-att *(SP convert-att) ")" )
 *     convert-att = "UID" / "BODYPARTSTRUCTURE" section-convert / "BINARY" section-convert [partial] /
 *                   "BINARY.SIZE" section-convert / "BODY[HEADER]" / "BODY[" section-part ".HEADER]" /
 *                   "BODY[" section-part ".MIME]" / "AVAILABLECONVERSIONS" section-convert
 *
 * The response names an item as the request did, without the length of the partial. */
#include "wire/imap_convert.h"

#include "wire/chars.h"

static const struct {
    struct str name;
    enum convert_att_kind kind;
} ROWS[] = {
    {{"UID", 3}, CONVERT_UID},
    {{"BODYPARTSTRUCTURE", 17}, CONVERT_BODYPARTSTRUCTURE},
    {{"BINARY", 6}, CONVERT_BINARY},
    {{"BINARY.SIZE", 11}, CONVERT_BINARY_SIZE},
    {{"BODY", 4}, CONVERT_HEADER},
    {{"BODY", 4}, CONVERT_MIME},
    {{"AVAILABLECONVERSIONS", 20}, CONVERT_AVAILABLECONVERSIONS},
};

enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

/* ---- parameters ---- */

void scan_convert_params(struct scan *c, struct arena *a, struct imap_convert_params *out)
{
    struct imap_convert_param *at =
        arena_array(a, struct imap_convert_param, CONVERT_WIRE_PARAMS_MOST);
    *out = (struct imap_convert_params){.at = at};
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    scan_require(c, '(', "conversion parameters in parentheses");
    out->is_default = !scan_nstring(c, a, &out->target);
    if (scan_accept(c, ' ')) {
        scan_require(c, '(', "a list of parameters");
        do {
            if (out->count == CONVERT_WIRE_PARAMS_MOST) {
                scan_fail(c, ERR_LIMIT, "fewer parameters");
                return;
            }
            at[out->count].name = scan_astring(c, a);
            scan_sp(c);
            at[out->count++].value = scan_astring(c, a);
        } while (scan_accept(c, ' '));
        scan_require(c, ')', "the end of a list of parameters");
    }
    scan_require(c, ')', "the end of the conversion parameters");
}

/* ---- data items ---- */

static bool is_name_char(unsigned char octet)
{
    return is_let_dig(octet) || octet == '.';
}

static bool find_kind(struct str name, enum convert_att_kind *out)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (str_eq_nocase(name, ROWS[i].name)) {
            *out = ROWS[i].kind;
            return true;
        }
    }
    return false;
}

/* What may stand between the brackets of the item. */
static void check_section(struct scan *c, size_t start, struct convert_att *att)
{
    if (!scan_is_ok(c)) {
        return;
    }
    bool is_fine = att->section.text == SECTION_ALL;
    if (att->kind == CONVERT_HEADER) {
        is_fine = att->section.text == SECTION_HEADER || att->section.text == SECTION_MIME;
        att->kind = att->section.text == SECTION_MIME ? CONVERT_MIME : CONVERT_HEADER;
    }
    if (!is_fine) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX,
                  att->kind == CONVERT_HEADER ? "HEADER or MIME" : "part numbers only");
    }
}

static void scan_convert_att(struct scan *c, struct arena *a, struct convert_att *out)
{
    size_t start = c->at;
    *out = (struct convert_att){.kind = CONVERT_UID};
    if (!find_kind(scan_run(c, is_name_char), &out->kind)) {
        c->at = scan_is_ok(c) ? start : c->at;
        scan_fail(c, ERR_SYNTAX, "a CONVERT data item");
        return;
    }
    if (out->kind == CONVERT_UID) {
        return;
    }
    scan_require(c, '[', "a section in brackets");
    start = c->at;
    scan_section_spec(c, a, &out->section);
    check_section(c, start, out);
    scan_require(c, ']', "the end of a section");
    if (out->kind == CONVERT_BINARY) {
        out->has_partial = scan_partial(c, &out->partial);
    }
}

void scan_convert_atts(struct scan *c, struct arena *a, struct convert_atts *out)
{
    struct convert_att *at = arena_array(a, struct convert_att, CONVERT_ATTS_MOST);
    uint32_t count = 0;
    *out = (struct convert_atts){.at = at};
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    bool is_list = scan_accept(c, '(');
    do {
        if (count == CONVERT_ATTS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer data items");
            return;
        }
        scan_convert_att(c, a, &at[count++]);
    } while (is_list && scan_accept(c, ' '));
    if (is_list) {
        scan_require(c, ')', "the end of a list of data items");
    }
    out->count = count;
}

void convert_att_write(struct buf *out, const struct convert_att *att)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].kind == att->kind) {
            buf_add(out, ROWS[i].name);
        }
    }
    if (att->kind == CONVERT_UID) {
        return;
    }
    buf_add_char(out, '[');
    section_write(out, &att->section);
    buf_add_char(out, ']');
    if (att->has_partial) {
        buf_add_char(out, '<');
        buf_add_u64(out, att->partial.offset);
        buf_add_char(out, '>');
    }
}
