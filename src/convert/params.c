/* Conversion parameters. Names are media feature tags (RFC 2506), so they have no case. Nothing is ignored: a parameter that a
 * conversion does not know makes it fail, and is named in the failure (RFC 5259, 9). */
#include "convert/params.h"

#include "mime/charset_writer.h"

enum { QUALITY_MOST = 100, DEPTH_MOST = 24, PAGE_MOST = 10000 };

static enum convert_param find_param(struct str name)
{
    for (unsigned p = 1; p < PARAM_END; p <<= 1) {
        if (str_eq_nocase(name, convert_param_name((enum convert_param)p))) {
            return (enum convert_param)p;
        }
    }
    return PARAM_END;
}

static bool read_charset(struct str value, struct str *out)
{
    struct charset_writer *w = NULL;
    if (charset_writer_new(value, &w) != ERR_OK) {
        return false;
    }
    charset_writer_free(&w);
    *out = value;
    return true;
}

static bool read_resize(struct str value, enum convert_resize *out)
{
    static const struct str NAMES[] = {{"aspect", 6}, {"crop", 4}, {"stretch", 7}};
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq_nocase(value, NAMES[i])) {
            *out = (enum convert_resize)i;
            return true;
        }
    }
    return false;
}

static bool read_number(struct str value, uint64_t most, uint64_t *out)
{
    return str_to_u64(value, most, out) && *out > 0;
}

static bool read_depth(struct str value, uint64_t *out)
{
    return read_number(value, DEPTH_MOST, out)
           && (*out == 1 || *out == 2 || *out == 4 || *out == 8 || *out == 24);
}

/* Reads one value; false when it is none. */
static bool read_value(enum convert_param p, struct str value, struct convert_settings *s)
{
    uint64_t *number = NULL;
    uint64_t most = 0;
    if (p == PARAM_CHARSET) {
        return read_charset(value, &s->charset);
    }
    if (p == PARAM_REPLACEMENT) {
        s->replacement = value;
        return true;
    }
    if (p == PARAM_RESIZE) {
        return read_resize(value, &s->resize);
    }
    if (p == PARAM_DEPTH) {
        return read_depth(value, &s->depth);
    }
    if (p == PARAM_PIX_X || p == PARAM_PIX_Y) {
        number = p == PARAM_PIX_X ? &s->pix_x : &s->pix_y;
        most = CONVERT_PIXELS_MOST;
    } else if (p == PARAM_QUALITY || p == PARAM_PAGE) {
        number = p == PARAM_QUALITY ? &s->quality : &s->page;
        most = p == PARAM_QUALITY ? QUALITY_MOST : PAGE_MOST;
    } else if (p == PARAM_SIZE) {
        number = &s->size;
        most = UINT32_MAX;
    }
    return number != NULL && read_number(value, most, number);
}

/* The replacement must be writable in the charset (RFC 5259, 7.1). */
static bool is_replacement_fine(const struct convert_settings *s)
{
    struct charset_writer *w = NULL;
    struct str charset = s->charset.n > 0 ? s->charset : STR("utf-8");
    if ((s->given & PARAM_REPLACEMENT) == 0) {
        return true;
    }
    enum err e = charset_writer_new(charset, &w);
    e = e == ERR_OK ? charset_writer_set_replacement(w, s->replacement) : e;
    charset_writer_free(&w);
    return e == ERR_OK;
}

/* Parameters that only mean something with others, or for some targets. */
static unsigned find_irrelevant(const struct convert_settings *s, const struct convert_pair *pair)
{
    unsigned bad = 0;
    bool is_png = str_eq(pair->to, STR("image/png"));
    if ((s->given & PARAM_RESIZE) != 0 && (s->pix_x == 0 || s->pix_y == 0)
        && s->resize != RESIZE_ASPECT) {
        bad |= PARAM_RESIZE;
    }
    if ((s->given & PARAM_QUALITY) != 0 && is_png) {
        bad |= PARAM_QUALITY;
    }
    if ((s->given & PARAM_DEPTH) != 0 && !is_png && s->depth != 24) {
        bad |= PARAM_DEPTH;
    }
    if (!is_replacement_fine(s)) {
        bad |= PARAM_REPLACEMENT;
    }
    return bad;
}

unsigned convert_params_read(const struct convert_params *p, const struct convert_pair *pair,
                             struct convert_settings *out)
{
    struct convert_settings s = {.page = 0};
    unsigned bad = 0;
    for (unsigned i = 0; i < p->count; i++) {
        enum convert_param param = find_param(p->at[i].name);
        bool is_fine = (pair->params & param) != 0 && (s.given & param) == 0
                       && read_value(param, p->at[i].value, &s);
        s.given |= param & pair->params;
        bad |= is_fine ? 0 : 1U << i;
    }
    unsigned irrelevant = bad == 0 ? find_irrelevant(&s, pair) : 0;
    for (unsigned i = 0; i < p->count; i++) {
        bad |= (find_param(p->at[i].name) & irrelevant) != 0 ? 1U << i : 0;
    }
    *out = s;
    return bad;
}

void convert_settings_write(struct buf *out, const struct convert_settings *s)
{
    convert_settings_write_fields(out, s);
    fields_add(out, STR("charset"), s->charset);
    if ((s->given & PARAM_REPLACEMENT) != 0) {
        fields_add(out, STR("replacement"), s->replacement);
    }
}

void convert_settings_write_fields(struct buf *out, const struct convert_settings *s)
{
    fields_add_u64(out, STR("pix_x"), s->pix_x);
    fields_add_u64(out, STR("pix_y"), s->pix_y);
    fields_add_u64(out, STR("resize"), s->resize);
    fields_add_u64(out, STR("size"), s->size);
    fields_add_u64(out, STR("quality"), s->quality);
    fields_add_u64(out, STR("depth"), s->depth);
    fields_add_u64(out, STR("page"), s->page);
}

/* A number as a tool may be given it. */
static uint64_t get_number(const struct fields *f, struct str key, uint64_t most)
{
    uint64_t v = fields_get_u64(f, key, 0);
    return v <= most ? v : 0;
}

void convert_settings_read_fields(const struct fields *f, struct convert_settings *out)
{
    *out = (struct convert_settings){
        .pix_x = get_number(f, STR("pix_x"), CONVERT_PIXELS_MOST),
        .pix_y = get_number(f, STR("pix_y"), CONVERT_PIXELS_MOST),
        .resize = (enum convert_resize)get_number(f, STR("resize"), RESIZE_STRETCH),
        .size = get_number(f, STR("size"), UINT32_MAX),
        .quality = get_number(f, STR("quality"), QUALITY_MOST),
        .depth = get_number(f, STR("depth"), DEPTH_MOST),
        .page = get_number(f, STR("page"), PAGE_MOST),
    };
}
