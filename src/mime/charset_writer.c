/* UTF-8 into the charsets of mail, by ICU's converters.
 *
 * A name is taken when IANA knows it and when the charset writes ASCII as ASCII: then line ends, header fields and markup stay
 * what they are. That keeps iso-2022-jp, which escapes, and leaves out UTF-16, UTF-7 and EBCDIC.
 *
 * A callback of ours hears of each character that the charset lacks. It writes the replacement, or remembers that there is a
 * loss, which ends the conversion at the end of the piece. The replacement is tried before it is taken, so the callback never
 * meets itself. */
#include "mime/charset_writer.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>
#include <unicode/ustring.h>

#include <assert.h>
#include <stdlib.h>

enum { NAME_MOST = 64, PIVOT_SIZE = 512, OUT_STEP = 1024, PROBE_MOST = 64 };

struct charset_writer {
    struct charset_writer *self; /* what ICU hands back as const void * */
    UConverter *from;
    UConverter *to;
    UChar pivot[PIVOT_SIZE];
    UChar *pivot_source;
    UChar *pivot_target;
    bool is_begun; /* of the text that is being written */
    bool is_lossy; /* a character could not be written */
    bool has_replacement;
    UChar replacement[CHARSET_REPLACEMENT_MOST];
    int32_t replacement_n;
};

static void on_unwritable(const void *context, UConverterFromUnicodeArgs *args, const UChar *units,
                          int32_t n, UChar32 c, UConverterCallbackReason reason, UErrorCode *e)
{
    struct charset_writer *w = ((const struct charset_writer *)context)->self;
    (void)units;
    (void)n;
    (void)c;
    if (reason > UCNV_IRREGULAR) {
        return;
    }
    *e = U_ZERO_ERROR;
    if (!w->has_replacement) {
        w->is_lossy = true;
        return;
    }
    const UChar *source = w->replacement;
    ucnv_cbFromUWriteUChars(args, &source, source + w->replacement_n, 0, e);
}

static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c)
            && (c == '\0' || strchr("-_.:+()", c) == NULL)) {
            return false;
        }
    }
    return name.n > 0 && name.n <= NAME_MOST;
}

static enum err open_converters(struct charset_writer *w, const char *name)
{
    UErrorCode e = U_ZERO_ERROR;
    if (ucnv_getStandardName(name, "IANA", &e) == NULL || U_FAILURE(e)) {
        return ERR_BAD_CHARSET;
    }
    w->to = ucnv_open(name, &e);
    w->from = ucnv_open("UTF-8", &e);
    return U_FAILURE(e) ? ERR_BAD_CHARSET : ERR_OK;
}

/* Does the charset write ASCII as it is? */
static bool keeps_ascii(struct charset_writer *w)
{
    static const struct str PROBE = {"Aa09 +=<?>&\\~\r\n", 16};
    struct buf out = BUF_INIT(PROBE_MOST);
    bool is_kept =
        charset_writer_add(w, PROBE, true, &out) == ERR_OK && str_eq(buf_str(&out), PROBE);
    buf_release(&out);
    return is_kept;
}

enum err charset_writer_new(struct str name, struct charset_writer **out)
{
    char c_name[NAME_MOST + 1] = {0};
    if (!is_plain_name(name)) {
        return ERR_BAD_CHARSET;
    }
    memcpy(c_name, name.p, name.n);
    struct charset_writer *w = mem_new(sizeof(*w));
    enum err e = open_converters(w, c_name);
    if (e == ERR_OK) {
        UErrorCode icu = U_ZERO_ERROR;
        w->self = w;
        ucnv_setFromUCallBack(w->to, on_unwritable, w, NULL, NULL, &icu);
        assert(U_SUCCESS(icu));
        e = keeps_ascii(w) ? ERR_OK : ERR_BAD_CHARSET;
    }
    if (e != ERR_OK) {
        charset_writer_free(&w);
        return e;
    }
    *out = w;
    return ERR_OK;
}

void charset_writer_free(struct charset_writer **w)
{
    if (*w == NULL) {
        return;
    }
    ucnv_close((*w)->from);
    ucnv_close((*w)->to);
    free(*w);
    *w = NULL;
}

enum err charset_writer_set_replacement(struct charset_writer *w, struct str utf8)
{
    UErrorCode e = U_ZERO_ERROR;
    if (!utf8_is_valid(utf8)) {
        return ERR_SYNTAX;
    }
    if (utf8.n > CHARSET_REPLACEMENT_MOST) {
        return ERR_LIMIT;
    }
    struct buf out = BUF_INIT(CHARSET_REPLACEMENT_MOST * 8);
    w->has_replacement = false;
    enum err tried = charset_writer_add(w, utf8, true, &out);
    buf_release(&out);
    TRY(tried);
    u_strFromUTF8(w->replacement, CHARSET_REPLACEMENT_MOST, &w->replacement_n,
                  utf8.n > 0 ? utf8.p : "", (int32_t)utf8.n, &e);
    assert(U_SUCCESS(e) || e == U_STRING_NOT_TERMINATED_WARNING);
    w->has_replacement = true;
    return ERR_OK;
}

enum err charset_writer_add(struct charset_writer *w, struct str utf8, bool is_last,
                            struct buf *out)
{
    const char *source = utf8.n == 0 ? "" : utf8.p;
    const char *source_end = source + utf8.n;
    UErrorCode e = U_BUFFER_OVERFLOW_ERROR;
    bool is_new = !w->is_begun;
    if (is_new) {
        w->pivot_source = w->pivot;
        w->pivot_target = w->pivot;
        w->is_lossy = false;
    }
    while (e == U_BUFFER_OVERFLOW_ERROR) {
        char step[OUT_STEP];
        char *target = step;
        e = U_ZERO_ERROR;
        ucnv_convertEx(w->to, w->from, &target, step + OUT_STEP, &source, source_end, w->pivot,
                       &w->pivot_source, &w->pivot_target, w->pivot + PIVOT_SIZE, is_new, is_last,
                       &e);
        is_new = false;
        buf_add(out, str_make(step, (size_t)(target - step)));
    }
    w->is_begun = !is_last;
    TRY(buf_err(out));
    return w->is_lossy || U_FAILURE(e) ? ERR_CONVERSION : ERR_OK;
}
