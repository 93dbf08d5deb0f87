/* limetta-convert-image: one picture made into another, by libvips.
 *
 *     limetta-convert-image FROM TO PIX-X PIX-Y RESIZE SIZE QUALITY DEPTH PAGE PIXELS  <picture  >picture
 *     limetta-convert-image formats
 *
 * The convert role starts it, confined, for each picture; nothing else in Limetta links this library. Numbers are those of
 * struct convert_settings, 0 where nothing was asked.
 *
 * Which decoder reads the picture is found by its first octets, and taken from a short list: this library knows many more,
 * some of which run programs or follow names in files. Width and height are read from the header and checked before
 * anything is decoded. Pictures are turned as their orientation says, become sRGB, and lose what else they tell: place, camera,
 * comments.
 *
 * A size limit is met by less quality first, then by fewer pixels, unless the client asked for a box to be filled.
 * Exit code 1: the picture cannot be converted so. */
#include "convert/params.h"
#include "convert/strict.h"

#include <vips/vips.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARGS = 11, QUALITY_DEFAULT = 80, QUALITY_LEAST = 10, SHRINKS_MOST = 10, PAGE_BOX = 1240 };
enum { INPUT_MOST = 1 << 30 };

struct task {
    const char *from;
    struct str to;
    struct convert_settings s;
    uint64_t pixels;
    struct buf in;
};

/* Loaders that may be used; the library's names begin so. */
static const struct {
    const char *loader;
    const char *format; /* as `formats` prints it */
    const char *operation;
} LOADERS[] = {
    {"VipsForeignLoadJpeg", "jpeg", "jpegload_source"},
    {"VipsForeignLoadPng", "png", "pngload_source"},
    {"VipsForeignLoadNsgif", "gif", "gifload_source"},
    {"VipsForeignLoadWebp", "webp", "webpload_source"},
    {"VipsForeignLoadHeif", "heif", "heifload_source"},
    {"VipsForeignLoadPdf", "pdf", "pdfload_source"},
};

enum { LOADER_COUNT = sizeof(LOADERS) / sizeof(LOADERS[0]), LOADER_PDF = LOADER_COUNT - 1 };

static int print_formats(void)
{
    for (size_t i = 0; i < LOADER_COUNT; i++) {
        if (vips_type_find("VipsOperation", LOADERS[i].operation) != 0) {
            (void)printf(" %s ", LOADERS[i].format);
        }
    }
    return 0;
}

/* ---- reading ---- */

static bool read_all(struct buf *in)
{
    for (;;) {
        char *at = buf_reserve(in, 65536);
        ssize_t n = at == NULL ? -1 : read(STDIN_FILENO, at, 65536);
        if (n <= 0) {
            return n == 0 && in->len > 0;
        }
        buf_commit(in, (size_t)n);
    }
}

static bool is_pdf(const struct task *t)
{
    return str_starts(str_from_c(t->from), STR("application/"));
}

static VipsSource *open_source(const struct task *t)
{
    return vips_source_new_from_memory(t->in.p, t->in.len);
}

/* Is there a decoder for these octets that may be used? */
static bool is_readable(const struct task *t)
{
    VipsSource *source = open_source(t);
    const char *loader = vips_foreign_find_load_source(source);
    bool is_found = false;
    for (size_t i = 0; loader != NULL && i < LOADER_COUNT; i++) {
        bool is_wanted = (i == LOADER_PDF) == is_pdf(t);
        is_found = is_found
                   || (is_wanted && str_starts(str_from_c(loader), str_from_c(LOADERS[i].loader)));
    }
    g_object_unref(source);
    return is_found;
}

/* Checks the size that the header tells. */
static bool is_bounded(const struct task *t)
{
    VipsSource *source = open_source(t);
    VipsImage *header =
        vips_image_new_from_source(source, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    bool is_fine = header != NULL;
    if (is_fine && !is_pdf(t)) {
        uint64_t width = (uint64_t)vips_image_get_width(header);
        uint64_t height = (uint64_t)vips_image_get_height(header);
        is_fine = width * height <= t->pixels;
    }
    if (header != NULL) {
        g_object_unref(header);
    }
    g_object_unref(source);
    return is_fine;
}

/* May the picture grow, shrink, be squeezed? */
static VipsSize get_size_mode(const struct task *t)
{
    bool has_box = t->s.pix_x > 0 && t->s.pix_y > 0;
    if (has_box && t->s.resize == RESIZE_STRETCH) {
        return VIPS_SIZE_FORCE;
    }
    return is_pdf(t) || (has_box && t->s.resize == RESIZE_CROP) ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
}

/* A side of the box that it is to fit into. */
static int get_side(const struct task *t, uint64_t asked)
{
    bool is_any = t->s.pix_x == 0 && t->s.pix_y == 0;
    if (asked > 0) {
        return (int)asked;
    }
    return is_any && is_pdf(t) ? PAGE_BOX : CONVERT_PIXELS_MOST;
}

/* The picture in its new size, still lazy. NULL: it cannot be read. */
static VipsImage *load(const struct task *t)
{
    VipsInteresting crop =
        t->s.resize == RESIZE_CROP ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE;
    char options[32] = "";
    VipsImage *out = NULL;
    VipsSource *source = open_source(t);
    if (is_pdf(t)) {
        (void)snprintf(options, sizeof(options), "[page=%u]",
                       (unsigned)(t->s.page > 0 ? t->s.page - 1 : 0));
    }
    int r = vips_thumbnail_source(source, &out, get_side(t, t->s.pix_x), "height",
                                  get_side(t, t->s.pix_y), "size", get_size_mode(t), "crop", crop,
                                  "export_profile", "srgb", "option_string", options, NULL);
    g_object_unref(source);
    return r == 0 ? out : NULL;
}

/* ---- changing ---- */

/* Replaces *image by what an operation made of it; takes made. False: it failed. */
static bool become(VipsImage **image, int r, VipsImage *made)
{
    if (r != 0) {
        return false;
    }
    g_object_unref(*image);
    *image = made;
    return true;
}

/* Eight bits, sRGB or grey, on white paper where transparency cannot be or is not meant, in memory. */
static bool make_plain(const struct task *t, VipsImage **image)
{
    static const double WHITE[] = {255, 255, 255};
    VipsImage *made = NULL;
    VipsInterpretation now = vips_image_get_interpretation(*image);
    if (now != VIPS_INTERPRETATION_sRGB && now != VIPS_INTERPRETATION_B_W) {
        int r = vips_colourspace(*image, &made, VIPS_INTERPRETATION_sRGB, NULL);
        if (!become(image, r, made)) {
            return false;
        }
    }
    bool needs_paper = is_pdf(t) || str_eq(t->to, STR("image/jpeg"));
    if (needs_paper && vips_image_hasalpha(*image)) {
        VipsArrayDouble *white =
            vips_array_double_new(WHITE, vips_image_get_bands(*image) > 2 ? 3 : 1);
        int r = vips_flatten(*image, &made, "background", white, NULL);
        vips_area_unref(VIPS_AREA(white));
        if (!become(image, r, made)) {
            return false;
        }
    }
    made = vips_image_copy_memory(*image);
    return become(image, made == NULL ? -1 : 0, made);
}

static bool shrink(VipsImage **image)
{
    VipsImage *made = NULL;
    int r = vips_resize(*image, &made, 0.75, NULL);
    if (!become(image, r, made)) {
        return false;
    }
    made = vips_image_copy_memory(*image);
    return become(image, made == NULL ? -1 : 0, made);
}

/* ---- writing ---- */

static bool save(const struct task *t, VipsImage *image, int quality, void **p, size_t *n)
{
    int depth = (int)t->s.depth;
    int r;
    if (str_eq(t->to, STR("image/jpeg"))) {
        r = vips_jpegsave_buffer(image, p, n, "Q", quality, "optimize_coding", TRUE, "strip", TRUE,
                                 NULL);
    } else if (str_eq(t->to, STR("image/webp"))) {
        r = vips_webpsave_buffer(image, p, n, "Q", quality, "strip", TRUE, NULL);
    } else if (depth > 0 && depth <= 8) {
        r = vips_pngsave_buffer(image, p, n, "palette", TRUE, "bitdepth", depth, "strip", TRUE,
                                NULL);
    } else {
        r = vips_pngsave_buffer(image, p, n, "strip", TRUE, NULL);
    }
    return r == 0;
}

/* The best quality that fits into the size limit; false: none does. */
static bool save_within(const struct task *t, VipsImage *image, void **p, size_t *n)
{
    int high = t->s.quality > 0 ? (int)t->s.quality : QUALITY_DEFAULT;
    int low = high < QUALITY_LEAST ? high : QUALITY_LEAST;
    bool has_quality = !str_eq(t->to, STR("image/png"));
    if (!save(t, image, high, p, n)) {
        return false;
    }
    if (t->s.size == 0 || *n <= t->s.size) {
        return true;
    }
    g_free(*p);
    *p = NULL;
    while (has_quality && low < high) {
        void *other = NULL;
        size_t other_n = 0;
        int middle = (low + high) / 2;
        if (!save(t, image, middle, &other, &other_n)) {
            return false;
        }
        if (other_n <= t->s.size) {
            g_free(*p);
            *p = other;
            *n = other_n;
            low = middle + 1;
        } else {
            g_free(other);
            high = middle;
        }
    }
    return *p != NULL;
}

static bool write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, p, n);
        if (done <= 0) {
            return false;
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool convert(const struct task *t)
{
    if (!is_readable(t) || !is_bounded(t)) {
        return false;
    }
    VipsImage *image = load(t);
    void *p = NULL;
    size_t n = 0;
    if (image == NULL) {
        return false;
    }
    bool may_shrink = t->s.size > 0 && t->s.resize == RESIZE_ASPECT;
    bool is_saved = make_plain(t, &image) && save_within(t, image, &p, &n);
    for (unsigned i = 0; !is_saved && may_shrink && i < SHRINKS_MOST; i++) {
        is_saved = shrink(&image) && save_within(t, image, &p, &n);
    }
    g_object_unref(image);
    bool is_written = is_saved && write_all(p, n);
    g_free(p);
    return is_written;
}

/* ---- the process ---- */

static bool read_args(char **argv, struct task *t)
{
    uint64_t *const numbers[] = {&t->s.pix_x,   &t->s.pix_y, NULL,       &t->s.size,
                                 &t->s.quality, &t->s.depth, &t->s.page, &t->pixels};
    uint64_t resize = 0;
    t->from = argv[1];
    t->to = str_from_c(argv[2]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t *number = numbers[i] != NULL ? numbers[i] : &resize;
        if (!str_to_u64(str_from_c(argv[3 + i]), UINT32_MAX, number)) {
            return false;
        }
    }
    t->s.resize = (enum convert_resize)(resize <= RESIZE_STRETCH ? resize : 0);
    return t->s.pix_x <= CONVERT_PIXELS_MOST && t->s.pix_y <= CONVERT_PIXELS_MOST;
}

int main(int argc, char **argv)
{
    struct task t = {.from = ""};
    (void)setenv("VIPS_NOVECTOR", "1",
                 1); /* its vector code is made while it runs, which strict.c forbids */
    if (VIPS_INIT(argv[0]) != 0) {
        return 1;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    if (argc == 2) {
        return print_formats();
    }
    buf_init(&t.in, INPUT_MOST);
    if (argc != ARGS || !read_args(argv, &t)) {
        return 1;
    }
    vips_block_untrusted_set(!is_pdf(&t));
    /* a page needs fonts, which are files; Landlock lets it read those, and none else */
    bool is_ready = is_pdf(&t) || strict_begin();
    bool is_converted = is_ready && read_all(&t.in) && convert(&t);
    buf_release(&t.in);
    return is_converted ? 0 : 1;
}
