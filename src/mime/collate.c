/* Ordering header text: what SORT and THREAD compare (RFC 5256, 7; RFC 5255, 4.6).
 *
 *   (a) encoded words are decoded    (b) their charsets converted    (c) compared by i;unicode-casemap
 *
 * Where (b) fails, because a charset is unknown or octets are not valid in it, the octets of (a) are compared as they are,
 * and such texts stand together behind all others. A key of the first kind is UTF-8 and so never begins with FE: that octet
 * in front marks the second kind and sorts it last. The base subject is taken before the comparison, in both
 * cases (RFC 5255, 4.2).
 *
 * Nearly every text is ASCII without encoded words: it takes the short way to its key. */
#include "mime/collate.h"

#include "mime/casemap.h"
#include "mime/shape.h"
#include "mime/subject.h"
#include "mime/words.h"

enum { TEXT_CAP = 8 * SHAPE_FIELD_MOST, UNCONVERTED = 0xfe };

void collate_init(struct collate *c)
{
    buf_init(&c->text, TEXT_CAP);
    buf_init(&c->spaced, TEXT_CAP);
}

void collate_release(struct collate *c)
{
    buf_release(&c->text);
    buf_release(&c->spaced);
}

static bool is_plain(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        bool is_word = value.p[i] == '=' && i + 1 < value.n && value.p[i + 1] == '?';
        if ((unsigned char)value.p[i] >= 0x80 || is_word) {
            return false;
        }
    }
    return true;
}

/* The text to compare; false: its octets. */
static bool decode(struct collate *c, struct str value, struct str *text)
{
    *text = value;
    if (is_plain(value)) {
        return true;
    }
    buf_clear(&c->text);
    bool is_text = words_decode_all(value, &c->text);
    if (!is_text) {
        buf_clear(&c->text);
        words_decode_octets(value, &c->text);
    }
    *text = buf_str(&c->text);
    return is_text;
}

static void add_key(struct str text, bool is_text, struct buf *out)
{
    if (is_text) {
        casemap_write(text, out);
        return;
    }
    buf_add_char(out, (char)UNCONVERTED);
    buf_add(out, text);
}

void collate_write(struct collate *c, struct str value, struct buf *out)
{
    struct str text;
    bool is_text = decode(c, value, &text);
    add_key(text, is_text, out);
}

bool collate_write_subject(struct collate *c, struct str value, struct buf *out)
{
    struct str text;
    bool is_reply = false;
    bool is_text = decode(c, value, &text);
    add_key(subject_find_base(text, &c->spaced, &is_reply), is_text, out);
    return is_reply;
}
