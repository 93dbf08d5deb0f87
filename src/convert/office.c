/* Text out of office documents.
 *
 *   text (OOXML)     word/document.xml       <w:p> <w:t>text</w:t> <w:tab/> <w:br/> </w:p>
 *   slides           ppt/slides/slide1.xml   <a:p> <a:t>text</a:t> </a:p>
 *   sheet            xl/worksheets/sheet1.xml  <row> <c t="s"><v>number of a string</v></c> </row>
 *                    xl/sharedStrings.xml      <si><t>text</t></si>
 *   OpenDocument     content.xml             <text:p>text<text:tab/></text:p>, in <table:table-cell> in <table:table-row>
 *
 * The XML is walked tag by tag, without a tree, without entities but the five of XML and numbers; names count without their
 * prefix. What is not well-formed gives whatever text there is. */
#include "convert/office.h"

#include "base/utf8.h"
#include "base/vec.h"
#include "convert/zip.h"

enum { NAME_MOST = 64, REFERENCE_MOST = 12, SPACES_MOST = 100 };

struct reader {
    struct buf *out;
    const struct zip *zip;
    unsigned text_depth; /* > 0: what stands here is text */
    bool is_in_cell;
    bool is_string; /* the cell's value is the number of a string */
    bool has_cell;  /* the row has one already */
    struct buf value;
    VEC(struct str) strings; /* of the sheet; borrow from strings_text */
    struct buf strings_text;
};

/* A tag: "<w:p x='y'/>". */
struct tag {
    struct str name; /* without prefix */
    struct str rest; /* attributes */
    bool is_end;
    bool is_empty;
};

typedef void on_tag_fn(struct reader *r, const struct tag *t);
typedef void on_text_fn(struct reader *r, struct str raw);

/* ---- XML ---- */

static void add_reference(struct buf *out, struct str name)
{
    static const struct {
        struct str name;
        char c;
    } NAMES[] = {{{"amp", 3}, '&'},
                 {{"lt", 2}, '<'},
                 {{"gt", 2}, '>'},
                 {{"quot", 4}, '"'},
                 {{"apos", 4}, '\''}};
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq(name, NAMES[i].name)) {
            buf_add_char(out, NAMES[i].c);
        }
    }
    if (str_starts(name, STR("#x"))) {
        for (size_t i = 2; i < name.n && ascii_hex_value(name.p[i]) >= 0 && v < 0x110000; i++) {
            v = v * 16 + (uint64_t)ascii_hex_value(name.p[i]);
        }
        utf8_add(out, (uint32_t)v);
    } else if (str_starts(name, STR("#")) && str_to_u64(str_skip(name, 1), 0x10ffff, &v)) {
        utf8_add(out, (uint32_t)v);
    }
}

/* Text with its references. */
static void add_text(struct buf *out, struct str raw)
{
    while (raw.n > 0) {
        size_t n = str_find_char(raw, '&');
        buf_add(out, str_sub(raw, 0, n));
        raw = str_skip(raw, n);
        size_t end = str_find_char(str_sub(raw, 0, REFERENCE_MOST), ';');
        if (raw.n == 0) {
            return;
        }
        if (end < raw.n && end < REFERENCE_MOST) {
            add_reference(out, str_sub(raw, 1, end - 1));
            raw = str_skip(raw, end + 1);
        } else {
            buf_add_char(out, '&');
            raw = str_skip(raw, 1);
        }
    }
}

static struct tag read_tag(struct str s)
{
    struct tag t = {.is_end = str_starts(s, STR("/")), .is_empty = str_ends(s, STR("/"))};
    s = str_skip(s, t.is_end ? 1 : 0);
    size_t n = 0;
    while (n < s.n && strchr(" \t\r\n/", s.p[n]) == NULL) {
        n++;
    }
    struct str name = str_sub(s, 0, n);
    size_t colon = str_find_char(name, ':');
    t.name = colon < name.n ? str_skip(name, colon + 1) : name;
    t.rest = str_skip(s, n);
    return t;
}

/* The attribute's value as it stands; empty when there is none. name: with the "=" and quote behind it. */
static struct str get_attribute(const struct tag *t, struct str name)
{
    size_t at = str_find_str(t->rest, name);
    struct str rest = str_skip(t->rest, at + name.n);
    return at < t->rest.n ? str_sub(rest, 0, str_find_char(rest, '"')) : STR_EMPTY;
}

/* Steps over what is no tag: comments, declarations; CDATA is text. */
static struct str skip_markup(struct reader *r, struct str s, on_text_fn *on_text)
{
    if (str_starts(s, STR("<![CDATA["))) {
        s = str_skip(s, 9);
        size_t end = str_find_str(s, STR("]]>"));
        on_text(r, str_sub(s, 0, end));
        return str_skip(s, end + 3);
    }
    struct str end = str_starts(s, STR("<!--")) ? STR("-->") : STR(">");
    return str_skip(s, str_find_str(s, end) + end.n);
}

static void walk(struct reader *r, struct str s, on_tag_fn *on_tag, on_text_fn *on_text)
{
    while (s.n > 0 && !r->out->is_full) {
        size_t n = str_find_char(s, '<');
        if (n > 0) {
            on_text(r, str_sub(s, 0, n));
        }
        s = str_skip(s, n);
        if (str_starts(s, STR("<!")) || str_starts(s, STR("<?"))) {
            s = skip_markup(r, s, on_text);
            continue;
        }
        n = str_find_char(s, '>');
        if (s.n > 0 && n < s.n) {
            struct tag t = read_tag(str_sub(s, 1, n - 1));
            on_tag(r, &t);
        }
        s = str_skip(s, n + 1);
    }
}

/* ---- text and slides of Office Open XML ---- */

static bool is_tag(const struct tag *t, const char *name)
{
    return str_eq(t->name, str_from_c(name));
}

static void on_plain_text(struct reader *r, struct str raw)
{
    if (r->text_depth > 0) {
        add_text(r->out, raw);
    }
}

static void on_ooxml_tag(struct reader *r, const struct tag *t)
{
    if (is_tag(t, "t") && !t->is_empty) {
        r->text_depth = t->is_end ? 0 : 1;
    } else if ((is_tag(t, "p") && t->is_end) || is_tag(t, "br") || is_tag(t, "cr")) {
        buf_add_char(r->out, '\n');
    } else if (is_tag(t, "tab") && t->is_empty && t->rest.n <= 1) {
        buf_add_char(r->out, '\t'); /* with attributes it is a tab stop */
    }
}

/* ---- sheets ---- */

static void on_string_tag(struct reader *r, const struct tag *t)
{
    if (is_tag(t, "t") && !t->is_empty) {
        r->text_depth = t->is_end ? 0 : 1;
    } else if (is_tag(t, "si") && (t->is_end || t->is_empty)) {
        buf_add_char(&r->strings_text, '\0');
    }
}

static void on_string_text(struct reader *r, struct str raw)
{
    if (r->text_depth > 0) {
        add_text(&r->strings_text, raw);
    }
}

static void split_strings(struct reader *r)
{
    struct str all = buf_str(&r->strings_text);
    while (all.n > 0) {
        vec_push(&r->strings, str_split(&all, '\0'));
    }
}

static void end_cell(struct reader *r)
{
    uint64_t i = 0;
    struct str value = str_trim(buf_str(&r->value));
    buf_add_c(r->out, r->has_cell ? "\t" : "");
    if (!r->is_string) {
        buf_add(r->out, buf_str(&r->value));
    } else if (str_to_u64(value, UINT32_MAX, &i) && i < r->strings.count) {
        buf_add(r->out, r->strings.at[i]);
    }
    r->has_cell = true;
    r->text_depth = 0;
    buf_clear(&r->value);
}

static void on_sheet_tag(struct reader *r, const struct tag *t)
{
    if (is_tag(t, "c")) {
        if (t->is_end || t->is_empty) {
            end_cell(r);
        } else {
            r->is_string = str_eq(get_attribute(t, STR(" t=\"")), STR("s"));
        }
    } else if ((is_tag(t, "v") || is_tag(t, "t")) && !t->is_empty) {
        r->text_depth = t->is_end ? 0 : 1;
    } else if (is_tag(t, "row") && t->is_end) {
        buf_add_char(r->out, '\n');
        r->has_cell = false;
    }
}

static void on_sheet_text(struct reader *r, struct str raw)
{
    if (r->text_depth > 0) {
        add_text(&r->value, raw);
    }
}

/* ---- OpenDocument ---- */

static void add_spaces(struct reader *r, const struct tag *t)
{
    uint64_t n = 1;
    (void)str_to_u64(get_attribute(t, STR("c=\"")), SPACES_MOST, &n);
    for (uint64_t i = 0; i < n; i++) {
        buf_add_char(r->out, ' ');
    }
}

static void on_table_tag(struct reader *r, const struct tag *t)
{
    if (is_tag(t, "table-row") && t->is_end) {
        buf_add_char(r->out, '\n');
        r->has_cell = false;
    } else if (is_tag(t, "table-cell")) {
        r->is_in_cell = !t->is_end && !t->is_empty;
        if (!t->is_end) {
            buf_add_c(r->out, r->has_cell ? "\t" : "");
            r->has_cell = true;
        }
    }
}

static void on_odf_tag(struct reader *r, const struct tag *t)
{
    if ((is_tag(t, "p") || is_tag(t, "h")) && !t->is_empty) {
        r->text_depth = t->is_end ? 0 : 1;
        buf_add_c(r->out, !t->is_end ? "" : r->is_in_cell ? " " : "\n");
    } else if (is_tag(t, "tab")) {
        buf_add_char(r->out, '\t');
    } else if (is_tag(t, "line-break")) {
        buf_add_char(r->out, '\n');
    } else if (is_tag(t, "s") && t->is_empty) {
        add_spaces(r, t);
    } else {
        on_table_tag(r, t);
    }
}

/* ---- documents ---- */

static enum err walk_part(struct reader *r, struct str name, on_tag_fn *on_tag, on_text_fn *on_text)
{
    struct zip_entry e;
    TRY(zip_find(r->zip, name, &e));
    CLEANUP(buf_release) struct buf xml = BUF_INIT(OFFICE_PART_MOST);
    TRY(zip_read(&e, &xml));
    r->text_depth = 0;
    walk(r, buf_str(&xml), on_tag, on_text);
    return buf_err(r->out);
}

/* Parts with numbers in their names, from 1 up to the first that is missing. */
static enum err walk_parts(struct reader *r, const char *before, on_tag_fn *on_tag,
                           on_text_fn *on_text)
{
    for (unsigned i = 1; i <= OFFICE_PARTS_MOST; i++) {
        CLEANUP(buf_release) struct buf name = BUF_INIT(NAME_MOST);
        buf_addf(&name, "%s%u.xml", before, i);
        enum err e = walk_part(r, buf_str(&name), on_tag, on_text);
        if (e == ERR_NOT_FOUND && i > 1) {
            return ERR_OK;
        }
        TRY(e);
        buf_add_c(r->out, "\n");
    }
    return ERR_OK;
}

static enum err read_sheets(struct reader *r)
{
    enum err e = walk_part(r, STR("xl/sharedStrings.xml"), on_string_tag, on_string_text);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    split_strings(r);
    return walk_parts(r, "xl/worksheets/sheet", on_sheet_tag, on_sheet_text);
}

static enum err read_document(struct reader *r, struct str type)
{
    if (str_ends(type, STR("wordprocessingml.document"))) {
        return walk_part(r, STR("word/document.xml"), on_ooxml_tag, on_plain_text);
    }
    if (str_ends(type, STR("presentationml.presentation"))) {
        return walk_parts(r, "ppt/slides/slide", on_ooxml_tag, on_plain_text);
    }
    if (str_ends(type, STR("spreadsheetml.sheet"))) {
        return read_sheets(r);
    }
    return walk_part(r, STR("content.xml"), on_odf_tag, on_plain_text);
}

enum err office_to_text(struct str type, struct str octets, struct buf *out)
{
    struct zip zip;
    TRY(zip_open(octets, &zip));
    struct reader r = {.out = out, .zip = &zip};
    buf_init(&r.value, OFFICE_PART_MOST);
    buf_init(&r.strings_text, OFFICE_PART_MOST);
    enum err e = read_document(&r, type);
    buf_release(&r.value);
    buf_release(&r.strings_text);
    vec_release(&r.strings);
    return e == ERR_NOT_FOUND ? ERR_SYNTAX : e;
}
