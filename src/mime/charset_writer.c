/* UTF-8 into the charsets of mail, by ICU's converters.
 *
 * A name is taken when IANA knows it and when the charset writes ASCII as ASCII: then line ends, header fields and markup stay
 * what they are. That keeps iso-2022-jp, which escapes, and leaves out UTF-16, UTF-7 and EBCDIC.
 *
 * A character that the charset lacks stops the converter, or is substituted by what was named for it; that is tried before it
 * is taken. */
#include "mime/charset_writer.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>
#include <unicode/ustring.h>

#include <assert.h>
#include <stdlib.h>

enum { NAME_MOST = 64, PIVOT_SIZE = 512, OUT_STEP = 1024, PROBE_MOST = 64 };

struct charset_writer {
    UConverter *from;
    UConverter *to;
    UChar pivot[PIVOT_SIZE];
    UChar *pivot_source;
    UChar *pivot_target;
    bool is_begun; /* some of the text was written */
};

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

static void set_callback(struct charset_writer *w, UConverterFromUCallback callback)
{
    UErrorCode e = U_ZERO_ERROR;
    ucnv_setFromUCallBack(w->to, callback, NULL, NULL, NULL, &e);
    assert(U_SUCCESS(e));
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
        set_callback(w, UCNV_FROM_U_CALLBACK_STOP);
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
    set_callback(w, UCNV_FROM_U_CALLBACK_STOP);
    enum err tried = charset_writer_add(w, utf8, true, &out);
    buf_release(&out);
    TRY(tried);
    UChar units[CHARSET_REPLACEMENT_MOST];
    int32_t n = 0;
    u_strFromUTF8(units, CHARSET_REPLACEMENT_MOST, &n, utf8.n > 0 ? utf8.p : "", (int32_t)utf8.n,
                  &e);
    if (n > 0) {
        ucnv_setSubstString(w->to, units, n, &e);
    }
    set_callback(w, n > 0 ? UCNV_FROM_U_CALLBACK_SUBSTITUTE : UCNV_FROM_U_CALLBACK_SKIP);
    return U_SUCCESS(e) ? ERR_OK : ERR_CONVERSION;
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
    if (U_FAILURE(e)) {
        w->is_begun = false;
        return ERR_CONVERSION;
    }
    return ERR_OK;
}
