/* Charsets of mail, to UTF-8.
 *
 * Three ways in: a UTF-8 checker of our own (for UTF-8 itself, and for unlabelled text, where what is no UTF-8 is read as
 * windows-1252), and ICU's converters for everything else. ICU is asked by name only; names are checked first, because to ICU a
 * name may carry options and paths.
 *
 * Labels in mail lie in known ways. Some are read as the superset that their senders mean:
 *   iso-8859-1 -> windows-1252, iso-8859-9 -> windows-1254, gb2312 -> gb18030, ks_c_5601-1987 and euc-kr -> windows-949
 *
 * Streaming: the UTF-8 checker keeps up to 3 octets of a cut character; ICU keeps its own state in the converter and the pivot.
 * A callback of ours writes U+FFFD for what is not valid, once a bad sequence. */
#include "mime/charset.h"

#include "base/utf8.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

enum { NAME_MOST = 64, PIVOT_SIZE = 512, OUT_STEP = 1024 };

enum way { WAY_UTF8, WAY_GUESS, WAY_ICU };

struct charset {
    enum way way;
    bool is_bad; /* something was not valid */
    /* WAY_UTF8, WAY_GUESS: a cut character */
    char cut[4];
    size_t cut_n;
    /* WAY_ICU */
    UConverter *from;
    UConverter *to;
    UChar pivot[PIVOT_SIZE];
    UChar *pivot_source;
    UChar *pivot_target;
};

static void add_windows_1252(struct buf *out, unsigned char octet)
{
    static const uint16_t HIGH_CONTROLS[32] = {
        0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};
    utf8_add(out, octet >= 0x80 && octet < 0xa0 ? HIGH_CONTROLS[octet - 0x80] : octet);
}

static void add_bad_octet(struct charset *c, char octet, struct buf *out)
{
    c->is_bad = true;
    if (c->way == WAY_GUESS) {
        add_windows_1252(out, (unsigned char)octet);
    } else {
        utf8_add(out, 0xfffd);
    }
}

/* Appends whole characters of s; returns how many octets remain, a cut character at the end. */
static size_t pass_utf8(struct charset *c, struct str s, bool is_last, struct buf *out)
{
    size_t at = 0;
    while (at < s.n) {
        size_t n = 0;
        while (at + n < s.n && (unsigned char)s.p[at + n] < 0x80) {
            n++;
        }
        buf_add(out, str_sub(s, at, n));
        at += n;
        if (at == s.n) {
            break;
        }
        n = utf8_check(str_skip(s, at));
        if (n == SIZE_MAX && !is_last) {
            return s.n - at;
        }
        if (n == 0 || n == SIZE_MAX) {
            add_bad_octet(c, s.p[at], out);
            at++;
        } else {
            buf_add(out, str_sub(s, at, n));
            at += n;
        }
    }
    return 0;
}

static void convert_utf8(struct charset *c, struct str s, bool is_last, struct buf *out)
{
    /* Complete the cut character octet by octet; what does not continue it makes it bad. */
    while (c->cut_n > 0 && s.n > 0) {
        c->cut[c->cut_n++] = s.p[0];
        s = str_skip(s, 1);
        size_t left = pass_utf8(c, str_make(c->cut, c->cut_n), false, out);
        memmove(c->cut, c->cut + c->cut_n - left, left);
        c->cut_n = left;
    }
    if (c->cut_n > 0 && is_last) {
        (void)pass_utf8(c, str_make(c->cut, c->cut_n), true, out);
        c->cut_n = 0;
    }
    size_t left = s.n == 0 ? 0 : pass_utf8(c, s, is_last, out);
    if (left > 0) {
        memcpy(c->cut, s.p + s.n - left, left);
        c->cut_n = left;
    }
}

static bool is_name(struct str name)
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

/* The charset that senders mean by the label. */
static struct str find_meant(struct str name)
{
    static const struct {
        const char *label;
        const char *meant;
    } MEANT[] = {
        {"iso-8859-1", "windows-1252"},
        {"iso8859-1", "windows-1252"},
        {"latin1", "windows-1252"},
        {"iso-8859-9", "windows-1254"},
        {"gb2312", "gb18030"},
        {"euc-kr", "windows-949"},
        {"ks_c_5601-1987", "windows-949"},
    };
    for (size_t i = 0; i < sizeof(MEANT) / sizeof(MEANT[0]); i++) {
        if (str_eq_nocase(name, str_from_c(MEANT[i].label))) {
            return str_from_c(MEANT[i].meant);
        }
    }
    return name;
}

/* ICU's own callback would write U+001A for some charsets. */
static void substitute(const void *context, UConverterToUnicodeArgs *args, const char *octets,
                       int32_t n, UConverterCallbackReason reason, UErrorCode *e)
{
    static const UChar REPLACEMENT = 0xfffd;
    if (reason <= UCNV_IRREGULAR) {
        *e = U_ZERO_ERROR;
        ucnv_cbToUWriteUChars(args, &REPLACEMENT, 1, 0, e);
    }
}

static enum err open_icu(struct charset *c, struct str name)
{
    char c_name[NAME_MOST + 1] = {0};
    UErrorCode e = U_ZERO_ERROR;
    if (!is_name(name)) {
        return ERR_BAD_CHARSET;
    }
    memcpy(c_name, name.p, name.n);
    c->from = ucnv_open(c_name, &e);
    c->to = ucnv_open("UTF-8", &e);
    if (U_FAILURE(e)) {
        return ERR_BAD_CHARSET;
    }
    ucnv_setToUCallBack(c->from, substitute, NULL, NULL, NULL, &e);
    assert(U_SUCCESS(e));
    c->pivot_source = c->pivot;
    c->pivot_target = c->pivot;
    return ERR_OK;
}

enum err charset_new(struct str name, struct charset **out)
{
    struct charset *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    enum err e = ERR_OK;
    if (name.n == 0 || str_eq_nocase(name, STR("us-ascii"))) {
        c->way = WAY_GUESS;
    } else if (str_eq_nocase(name, STR("utf-8")) || str_eq_nocase(name, STR("utf8"))) {
        c->way = WAY_UTF8;
    } else {
        c->way = WAY_ICU;
        e = open_icu(c, find_meant(name));
    }
    if (e != ERR_OK) {
        charset_free(&c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void charset_free(struct charset **c)
{
    if (*c == NULL) {
        return;
    }
    ucnv_close((*c)->from);
    ucnv_close((*c)->to);
    free(*c);
    *c = NULL;
}

static void convert_icu(struct charset *c, struct str s, bool is_last, struct buf *out)
{
    const char *source = s.n == 0 ? "" : s.p;
    const char *source_end = source + s.n;
    UErrorCode e = U_BUFFER_OVERFLOW_ERROR;
    while (e == U_BUFFER_OVERFLOW_ERROR) {
        char step[OUT_STEP];
        char *target = step;
        e = U_ZERO_ERROR;
        ucnv_convertEx(c->to, c->from, &target, step + OUT_STEP, &source, source_end, c->pivot,
                       &c->pivot_source, &c->pivot_target, c->pivot + PIVOT_SIZE, 0, is_last, &e);
        buf_add(out, str_make(step, (size_t)(target - step)));
    }
    c->is_bad = c->is_bad || U_FAILURE(e);
}

void charset_convert(struct charset *c, struct str octets, bool is_last, struct buf *out)
{
    if (c->way == WAY_ICU) {
        convert_icu(c, octets, is_last, out);
    } else {
        convert_utf8(c, octets, is_last, out);
    }
}

enum err charset_to_utf8(struct str name, struct str octets, struct buf *out)
{
    struct charset *c = NULL;
    TRY(charset_new(name, &c));
    charset_convert(c, octets, true, out);
    charset_free(&c);
    return buf_err(out);
}

enum err charset_to_utf8_strict(struct str name, struct str octets, struct buf *out)
{
    struct charset *c = NULL;
    UErrorCode e = U_ZERO_ERROR;
    TRY(charset_new(name, &c));
    if (c->way == WAY_ICU) {
        ucnv_setToUCallBack(c->from, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &e);
        assert(U_SUCCESS(e));
    }
    charset_convert(c, octets, true, out);
    bool is_bad = c->is_bad;
    charset_free(&c);
    TRY(buf_err(out));
    return is_bad ? ERR_SYNTAX : ERR_OK;
}
