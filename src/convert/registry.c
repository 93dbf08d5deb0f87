/* The table of conversions.
 *
 * A row says: each of these types can become each of those, by this tool, with these parameters. is_same rows are charset
 * conversions, which leave the type as it is. heif is a row of its own because the library may come without it.
 *
 * What is not here, and why: SVG and PostScript are programs; video is more than a phone's patience; multipart types are not
 * converted as a whole, so CONVERSIONS lists none for them (RFC 5259, 6). */
#include "convert/registry.h"

#include <string.h>

enum {
    TEXT_PARAMS = PARAM_CHARSET | PARAM_REPLACEMENT,
    IMAGE_PARAMS =
        PARAM_PIX_X | PARAM_PIX_Y | PARAM_RESIZE | PARAM_SIZE | PARAM_QUALITY | PARAM_DEPTH,
    PAGE_PARAMS = IMAGE_PARAMS | PARAM_PAGE,
};

#define OOXML "application/vnd.openxmlformats-officedocument."
#define ODF "application/vnd.oasis.opendocument."

static const char *const TEXTS[] = {"text/plain",    "text/html", "text/css", "text/csv",
                                    "text/enriched", "text/xml",  NULL};
static const char *const HTMLS[] = {"text/html", "application/xhtml+xml", NULL};
static const char *const PLAIN_ENOUGH[] = {"text/csv", "text/css", NULL};
static const char *const PLAIN[] = {"text/plain", NULL};
static const char *const IMAGES[] = {"image/jpeg", "image/pjpeg", "image/jpg", "image/png",
                                     "image/gif",  "image/webp",  NULL};
static const char *const HEIFS[] = {"image/heif", "image/heic", NULL};
static const char *const IMAGE_TARGETS[] = {"image/jpeg", "image/png", "image/webp", NULL};
static const char *const PDFS[] = {"application/pdf", "application/x-pdf", NULL};
static const char *const OFFICES[] = {OOXML "wordprocessingml.document",
                                      OOXML "spreadsheetml.sheet",
                                      OOXML "presentationml.presentation",
                                      ODF "text",
                                      ODF "spreadsheet",
                                      ODF "presentation",
                                      NULL};
static const char *const DOCS[] = {"application/msword", NULL};
static const char *const XLSS[] = {"application/vnd.ms-excel", NULL};
static const char *const PPTS[] = {"application/vnd.ms-powerpoint", NULL};
static const char *const AUDIOS[] = {"audio/mpeg",  "audio/mp3",   "audio/mp4",  "audio/x-m4a",
                                     "audio/aac",   "audio/x-aac", "audio/amr",  "audio/amr-wb",
                                     "audio/3gpp",  "audio/ogg",   "audio/opus", "audio/wav",
                                     "audio/x-wav", "audio/wave",  "audio/flac", "audio/x-flac",
                                     "audio/basic", "audio/webm",  NULL};
static const char *const MP3[] = {"audio/mpeg", NULL};
static const char *const AAC[] = {"audio/aac", NULL};
static const char *const AMR[] = {"audio/amr", NULL};
static const char *const OPUS[] = {"audio/ogg", NULL};

struct row {
    const char *const *from;
    const char *const *to; /* NULL: the same type */
    enum convert_tool tool;
    enum convert_text text;
    unsigned params;
};

static const struct row ROWS[] = {
    {TEXTS, NULL, TOOL_HERE, TEXT_CHARSET, TEXT_PARAMS},
    {HTMLS, PLAIN, TOOL_HERE, TEXT_HTML, TEXT_PARAMS},
    {PLAIN_ENOUGH, PLAIN, TOOL_HERE, TEXT_CHARSET, TEXT_PARAMS},
    {IMAGES, IMAGE_TARGETS, TOOL_IMAGE, TEXT_NONE, IMAGE_PARAMS},
    {HEIFS, IMAGE_TARGETS, TOOL_HEIF, TEXT_NONE, IMAGE_PARAMS},
    {PDFS, PLAIN, TOOL_PDF_TEXT, TEXT_RESULT, TEXT_PARAMS | PARAM_PAGE},
    {PDFS, IMAGE_TARGETS, TOOL_PDF_IMAGE, TEXT_NONE, PAGE_PARAMS},
    {OFFICES, PLAIN, TOOL_OFFICE, TEXT_RESULT, TEXT_PARAMS},
    {DOCS, PLAIN, TOOL_DOC, TEXT_RESULT, TEXT_PARAMS},
    {XLSS, PLAIN, TOOL_XLS, TEXT_RESULT, TEXT_PARAMS},
    {PPTS, PLAIN, TOOL_PPT, TEXT_RESULT, TEXT_PARAMS},
    {AUDIOS, MP3, TOOL_MP3, TEXT_NONE, 0},
    {AUDIOS, AAC, TOOL_AAC, TEXT_NONE, 0},
    {AUDIOS, AMR, TOOL_AMR, TEXT_NONE, 0},
    {AUDIOS, OPUS, TOOL_OPUS, TEXT_NONE, 0},
};

enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]), TYPE_MOST = 128 };

static const char *const TOOL_NAMES[TOOL_COUNT] = {
    [TOOL_HERE] = "here",
    [TOOL_IMAGE] = "image",
    [TOOL_HEIF] = "heif",
    [TOOL_PDF_TEXT] = "pdf-text",
    [TOOL_PDF_IMAGE] = "pdf-image",
    [TOOL_OFFICE] = "office",
    [TOOL_DOC] = "doc",
    [TOOL_XLS] = "xls",
    [TOOL_PPT] = "ppt",
    [TOOL_MP3] = "mp3",
    [TOOL_AAC] = "aac",
    [TOOL_AMR] = "amr",
    [TOOL_OPUS] = "opus",
};

const char *convert_tool_name(enum convert_tool t)
{
    return (unsigned)t < TOOL_COUNT ? TOOL_NAMES[t] : "none";
}

bool convert_tool_find(struct str name, enum convert_tool *out)
{
    for (unsigned i = TOOL_HERE + 1; i < TOOL_COUNT; i++) {
        if (str_eq(name, str_from_c(TOOL_NAMES[i]))) {
            *out = (enum convert_tool)i;
            return true;
        }
    }
    return false;
}

static size_t count_types(const char *const *types)
{
    size_t n = 0;
    while (types != NULL && types[n] != NULL) {
        n++;
    }
    return types == NULL ? 1 : n;
}

bool convert_next_pair(size_t *at, struct convert_pair *out)
{
    size_t i = (*at)++;
    for (size_t r = 0; r < ROW_COUNT; r++) {
        const struct row *row = &ROWS[r];
        size_t targets = count_types(row->to);
        size_t pairs = count_types(row->from) * targets;
        if (i >= pairs) {
            i -= pairs;
            continue;
        }
        const char *from = row->from[i / targets];
        *out = (struct convert_pair){
            .from = str_from_c(from),
            .to = str_from_c(row->to == NULL ? from : row->to[i % targets]),
            .tool = row->tool,
            .text = row->text,
            .params = row->params,
        };
        return true;
    }
    return false;
}

bool convert_has(unsigned tools, const struct convert_pair *pair)
{
    return pair->tool == TOOL_HERE || (tools >> pair->tool & 1) != 0;
}

bool convert_find(unsigned tools, struct str from, struct str to, struct convert_pair *out)
{
    struct convert_pair pair;
    for (size_t at = 0; convert_next_pair(&at, &pair);) {
        if (convert_has(tools, &pair) && str_eq_nocase(pair.from, from)
            && str_eq_nocase(pair.to, to)) {
            *out = pair;
            return true;
        }
    }
    return false;
}

/* reg-name of RFC 4288, 4.2 */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c)
            && (c == '\0' || strchr("!#$&.+-^_", c) == NULL)) {
            return false;
        }
    }
    return s.n > 0 && s.n < TYPE_MOST;
}

bool convert_is_type(struct str s, bool is_pattern)
{
    if (is_pattern && str_eq(s, STR("*"))) {
        return true;
    }
    struct str subtype = s;
    struct str type = str_split(&subtype, '/');
    return is_name(type) && (is_name(subtype) || (is_pattern && str_eq(subtype, STR("*"))));
}

bool convert_matches(struct str pattern, struct str type)
{
    if (str_ends(pattern, STR("*"))) {
        pattern.n--;
        return str_starts_nocase(type, pattern);
    }
    return str_eq_nocase(pattern, type);
}

struct str convert_param_name(enum convert_param p)
{
    static const struct {
        enum convert_param param;
        struct str name;
    } NAMES[] = {
        {PARAM_CHARSET, {"charset", 7}}, {PARAM_REPLACEMENT, {"unknown-character-replacement", 29}},
        {PARAM_PIX_X, {"pix-x", 5}},     {PARAM_PIX_Y, {"pix-y", 5}},
        {PARAM_RESIZE, {"resize", 6}},   {PARAM_SIZE, {"size", 4}},
        {PARAM_QUALITY, {"quality", 7}}, {PARAM_DEPTH, {"depth", 5}},
        {PARAM_PAGE, {"page", 4}},
    };
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (NAMES[i].param == p) {
            return NAMES[i].name;
        }
    }
    return STR_EMPTY;
}
