/* One part, one conversion, and its answers (RFC 5259, 6, 8 and 9).
 *
 * What is converted has a type from the message, what it becomes a type from the client or, for NIL, from us. Between the two
 * stands a row of the registry, or none. All failures that a client can do something about are said in the response, in place
 * of the data: which parameters are at fault, that a parameter is missing, that it is to try again later.
 *
 * A part's type is somebody else's text: one that could not be written in quotes is called application/octet-stream. */
#include "imap/convert_item.h"

#include "imap/structure.h"
#include "wire/imap_write.h"

static const struct str HEADERS = {"text/rfc822-headers", 19};
static const struct str PLAIN_TEXT = {"text/plain", 10};

enum { RETRY_MINUTES = 1 };

/* ---- finding the conversion ---- */

static struct str get_type(const struct part *p, struct arena *a)
{
    struct buf type = BUF_INIT(p->type.n + p->subtype.n + 1);
    buf_add(&type, p->type);
    buf_add_char(&type, '/');
    buf_add(&type, p->subtype);
    for (size_t i = 0; i < type.len; i++) {
        type.p[i] = ascii_lower(type.p[i]);
    }
    struct str s = arena_str(a, buf_str(&type));
    buf_release(&type);
    return convert_is_type(s, false) ? s : STR("application/octet-stream");
}

static unsigned find_param(const struct convert_params *p, enum convert_param param)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < p->count; i++) {
        bits |= str_eq_nocase(p->at[i].name, convert_param_name(param)) ? 1U << i : 0;
    }
    return bits;
}

static void find_pair(struct convert_item *item)
{
    const struct convert_wish *wish = item->wish;
    unsigned tools = convert_service_get_tools(wish->service);
    item->has_pair = wish->is_default ? convert_service_find_default(wish->service, item->from,
                                                                     &wish->params, &item->pair)
                                      : convert_find(tools, item->from, wish->target, &item->pair);
    if (!item->has_pair) {
        item->why = "No such conversion here";
        return;
    }
    item->bad = convert_params_read(&wish->params, &item->pair, &item->settings);
    if (item->bad != 0) {
        item->why = "These parameters cannot be honoured";
    }
}

void convert_item_find(const struct convert_wish *wish, const struct shape *shape,
                       const struct section *section, struct arena *a, struct convert_item *out)
{
    *out = (struct convert_item){.wish = wish};
    const struct part *part = shape_find_part(shape, section->path, section->depth);
    if (part == NULL) {
        out->why = "No such part";
        return;
    }
    bool is_message = section->depth == 0;
    out->part = is_message ? NULL : part;
    out->from = is_message ? STR("message/rfc822") : get_type(part, a);
    find_pair(out);
}

void convert_item_find_header(const struct convert_wish *wish, struct convert_item *out)
{
    static const struct convert_pair PAIR = {
        .from = {"text/rfc822-headers", 19},
        .to = {"text/rfc822-headers", 19},
        .params = PARAM_CHARSET | PARAM_REPLACEMENT,
    };
    *out = (struct convert_item){.wish = wish, .from = HEADERS, .has_pair = true, .pair = PAIR};
    out->bad = convert_params_read(&wish->params, &PAIR, &out->settings);
    if (!wish->is_default) {
        out->why = "Headers know the default conversion only";
        out->pair.to = wish->target;
        out->bad = 0;
    } else if (out->bad != 0) {
        out->why = "These parameters cannot be honoured";
    } else if ((out->settings.given & PARAM_CHARSET) == 0) {
        out->why = "CHARSET must be given for headers";
        out->is_missing = true;
    }
}

void convert_item_fail(struct convert_item *item, enum err e, const char *why)
{
    const struct convert_params *p = &item->wish->params;
    item->why = why;
    item->is_temporary = e == ERR_UNAVAILABLE || e == ERR_MODIFIED;
    if (e == ERR_CONVERSION) {
        item->bad = find_param(p, PARAM_CHARSET) | find_param(p, PARAM_REPLACEMENT);
    }
}

/* ---- answers ---- */

static void write_type(struct buf *out, struct str type)
{
    buf_add_char(out, '"');
    buf_add(out, type);
    buf_add_char(out, '"');
}

/* What the part was to become. */
static struct str get_target(const struct convert_item *item)
{
    if (item->has_pair) {
        return item->pair.to;
    }
    if (!item->wish->is_default) {
        return item->wish->target;
    }
    return str_starts(item->from, STR("image/")) ? STR("image/jpeg") : PLAIN_TEXT;
}

static void write_bad_params(struct buf *out, const struct convert_item *item)
{
    const struct convert_params *p = &item->wish->params;
    const char *before = " (";
    for (unsigned i = 0; i < p->count; i++) {
        if ((item->bad >> i & 1) != 0) {
            buf_add_c(out, before);
            imap_write_astring(out, p->at[i].name);
            buf_add_char(out, ' ');
            imap_write_string(out, p->at[i].value);
            before = " ";
        }
    }
    buf_add_c(out, item->bad != 0 ? ")" : "");
}

void convert_item_write_error(struct buf *out, const struct convert_item *item)
{
    buf_add(out, STR("(ERROR "));
    imap_write_string(out, str_from_c(item->why));
    if (item->is_temporary) {
        buf_addf(out, " TEMPFAIL %d)", RETRY_MINUTES);
        return;
    }
    buf_add(out, item->is_missing ? STR(" MISSINGPARAMETERS ") : STR(" BADPARAMETERS "));
    if (item->from.n > 0) {
        write_type(out, item->from);
    } else {
        buf_add(out, STR("NIL"));
    }
    buf_add_char(out, ' ');
    write_type(out, get_target(item));
    if (item->is_missing) {
        buf_add(out, STR(" (charset)"));
    } else {
        write_bad_params(out, item);
    }
    buf_add_char(out, ')');
}

/* Parameters of the converted part: its charset, and what the text's form was when the type stayed. */
static struct param_list get_params(const struct convert_item *item, struct arena *a)
{
    const struct param_list *old = &item->part->params;
    struct param_list list = {NULL, 0};
    struct param *at = arena_array(a, struct param, old->count + 1);
    if (item->pair.text == TEXT_NONE || at == NULL) {
        return list;
    }
    struct str charset = item->settings.charset;
    at[list.count++] = (struct param){STR("charset"), charset.n > 0 ? charset : STR("utf-8")};
    bool is_same = str_eq(item->pair.from, item->pair.to);
    for (uint32_t i = 0; is_same && i < old->count; i++) {
        if (!str_eq_nocase(old->at[i].name, STR("charset"))) {
            at[list.count++] = old->at[i];
        }
    }
    list.at = at;
    return list;
}

void convert_item_write_structure(struct buf *out, const struct convert_item *item,
                                  const struct convert_result *r, struct arena *a)
{
    struct str subtype = item->pair.to;
    struct str type = str_split(&subtype, '/');
    struct part p = {
        .type = type,
        .subtype = subtype,
        .params = get_params(item, a),
        .id = item->part->id,
        .description = item->part->description,
        .encoding = item->pair.text == TEXT_NONE ? STR("binary") : STR("8bit"),
        .body_size = r->octets.len,
        .body_lines = r->lines,
    };
    structure_write_body(out, &p, STRUCTURE_EXTENDED);
}

static bool is_available(const struct convert_item *item, const struct convert_pair *pair)
{
    struct convert_settings settings;
    return str_eq_nocase(pair->from, item->from)
           && convert_has(convert_service_get_tools(item->wish->service), pair)
           && convert_params_read(&item->wish->params, pair, &settings) == 0;
}

bool convert_item_write_available(struct buf *out, struct convert_item *item)
{
    struct convert_pair pair;
    bool is_empty = true;
    /* RFC 5259, 8.4: an empty list when nothing was ever possible, an error when the parameters are the reason. */
    if (item->from.n == 0 || (item->why != NULL && (item->has_pair || !item->wish->is_default))) {
        convert_item_write_error(out, item);
        return false;
    }
    buf_add(out, STR("(("));
    for (size_t at = 0; convert_next_pair(&at, &pair);) {
        bool is_wanted = item->wish->is_default || str_eq_nocase(pair.to, item->wish->target);
        if (is_wanted && is_available(item, &pair)) {
            buf_add_c(out, is_empty ? "" : " ");
            write_type(out, pair.to);
            is_empty = false;
        }
    }
    buf_add(out, STR("))"));
    return true;
}
