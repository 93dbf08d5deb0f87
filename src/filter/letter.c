/* Writing messages. A header is the place where text of strangers could do harm: a subject of theirs is in ours, a script's variables
 * hold what a message said. So every value goes through one function that lets no control character pass, and folds or encodes the rest.
 *
 * A body is UTF-8 in lines that SMTP takes (RFC 5321, 4.5.3.1.6: 1000 octets), or base64 when it has longer ones. What the next host
 * lacks for 8-bit text, the queue's conversion deals with. */
#include "filter/letter.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "mime/address.h"
#include "mime/fold.h"
#include "smtp/header_fix.h"
#include "wire/smtp_scan.h"

enum {
    WORD_OCTETS = 39, /* of text in an encoded word: with the field's name it fits in a line */
    LINE_MOST = 990,
    BASE64_LINE = 57, /* octets: 76 digits */
    VALUE_MOST = 32 * 1024,
    ADDRESS_ARENA = 256 * 1024
};

bool letter_is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 126) {
            return false;
        }
    }
    return true;
}

/* Control characters become spaces. */
static void add_clean(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        buf_add_char(out, c < 32 || c == 127 ? ' ' : (char)c);
    }
}

/* At most WORD_OCTETS of s that end with a whole character. */
static size_t cut_word(struct str s)
{
    size_t n = 0;
    while (n < s.n) {
        size_t one = utf8_check(str_skip(s, n));
        one = one == 0 || one == SIZE_MAX ? 1 : one;
        if (n + one > WORD_OCTETS) {
            break;
        }
        n += one;
    }
    return n;
}

static void add_words(struct buf *out, struct str value)
{
    const char *before = "";
    while (value.n > 0) {
        size_t n = cut_word(value);
        buf_addf(out, "%s=?utf-8?B?", before);
        base64_write(out, str_sub(value, 0, n));
        buf_add(out, STR("?="));
        value = str_skip(value, n);
        before = "\r\n ";
    }
}

static void begin_field(struct buf *out, struct str name)
{
    buf_add(out, name);
    buf_add(out, STR(": "));
}

void letter_write_field(struct buf *out, struct str name, struct str value)
{
    CLEANUP(buf_release) struct buf clean = BUF_INIT(VALUE_MOST);
    add_clean(&clean, str_sub(str_trim(value), 0, VALUE_MOST));
    begin_field(out, name);
    if (letter_is_ascii(buf_str(&clean))) {
        struct fold f;
        fold_init(&f, out, name.n + 2);
        fold_text(&f, buf_str(&clean));
        fold_end(&f);
    } else {
        add_words(out, buf_str(&clean));
    }
    buf_add(out, STR("\r\n"));
}

/* ---- addresses ---- */

static void add_mailbox(struct buf *out, const struct address *a)
{
    if (a->name.n > 0 && letter_is_ascii(a->name)) {
        buf_add_char(out, '"');
        for (size_t i = 0; i < a->name.n; i++) {
            if (a->name.p[i] == '"' || a->name.p[i] == '\\') {
                buf_add_char(out, '\\');
            }
            add_clean(out, str_sub(a->name, i, 1));
        }
        buf_add(out, STR("\" "));
    } else if (a->name.n > 0) {
        add_words(out, a->name);
        buf_add_char(out, ' ');
    }
    CLEANUP(buf_release) struct buf spec = BUF_INIT(VALUE_MOST);
    smtp_address_write(&spec, a->mailbox, a->host);
    buf_add(out, a->name.n > 0 ? STR("<") : STR_EMPTY);
    add_clean(out, buf_str(&spec));
    buf_add(out, a->name.n > 0 ? STR(">") : STR_EMPTY);
}

static bool is_mailbox(const struct address *a)
{
    return !a->is_group_start && !a->is_group_end && a->mailbox.n > 0;
}

static void write_addresses(struct buf *out, struct str name, struct str value)
{
    struct arena *a = arena_new(ADDRESS_ARENA);
    struct address_list list = {0};
    CLEANUP(buf_release) struct buf clean = BUF_INIT(VALUE_MOST);
    add_clean(&clean, str_sub(value, 0, VALUE_MOST));
    if (address_list_parse(a, buf_str(&clean), &list) == ERR_OK && list.count > 0) {
        const char *before = "";
        begin_field(out, name);
        for (uint32_t i = 0; i < list.count; i++) {
            if (is_mailbox(&list.at[i])) {
                buf_add_c(out, before);
                add_mailbox(out, &list.at[i]);
                before = ",\r\n ";
            }
        }
        buf_add(out, STR("\r\n"));
    }
    arena_free(&a);
}

bool letter_find_address(struct str value, struct buf *out)
{
    struct arena *a = arena_new(ADDRESS_ARENA);
    struct address_list list = {0};
    bool is_found = false;
    if (address_list_parse(a, str_sub(value, 0, VALUE_MOST), &list) == ERR_OK) {
        for (uint32_t i = 0; i < list.count && !is_found; i++) {
            is_found = is_mailbox(&list.at[i]) && list.at[i].host.n > 0;
            if (is_found) {
                smtp_address_write(out, list.at[i].mailbox, list.at[i].host);
            }
        }
    }
    arena_free(&a);
    return is_found;
}

void letter_write_head(struct buf *out, const struct letter *l)
{
    if (l->auto_submitted.n > 0) {
        letter_write_field(out, STR("Auto-Submitted"), l->auto_submitted);
    }
    write_addresses(out, STR("From"), l->from);
    if (l->to.n > 0) {
        write_addresses(out, STR("To"), l->to);
    }
    letter_write_field(out, STR("Subject"), l->subject);
    buf_add(out, STR("Date: "));
    header_write_date(out, l->now_s);
    buf_addf(out, "\r\nMessage-ID: <%.*s@%.*s>\r\n", STR_ARG(l->unique), STR_ARG(l->hostname));
    if (l->in_reply_to.n > 0) {
        letter_write_field(out, STR("In-Reply-To"), l->in_reply_to);
    }
    if (l->references.n > 0) {
        letter_write_field(out, STR("References"), l->references);
    }
}

/* ---- bodies ---- */

static struct str take_line(struct str *text)
{
    struct str line = str_split(text, '\n');
    line.n -= str_ends(line, STR("\r"));
    return line;
}

void letter_write_lines(struct buf *out, struct str text)
{
    while (text.n > 0) {
        struct str line = take_line(&text);
        for (size_t i = 0; i < line.n; i++) {
            char c = line.p[i];
            buf_add_char(out, c == '\r' || c == '\0' ? ' ' : c);
        }
        buf_add(out, STR("\r\n"));
    }
}

void letter_write_entity(struct buf *out, struct str entity)
{
    bool is_wanted = false;
    buf_add(out, STR("MIME-Version: 1.0\r\n"));
    while (entity.n > 0) {
        struct str line = take_line(&entity);
        if (line.n == 0) {
            break;
        }
        bool is_more = line.p[0] == ' ' || line.p[0] == '\t';
        is_wanted = is_more ? is_wanted : str_starts_nocase(line, STR("Content-"));
        if (is_wanted && letter_is_ascii(line)) {
            letter_write_lines(out, line);
        }
    }
    buf_add(out, STR("\r\n"));
    letter_write_lines(out, entity);
}

static bool has_long_lines(struct str text)
{
    while (text.n > 0) {
        if (str_split(&text, '\n').n > LINE_MOST) {
            return true;
        }
    }
    return false;
}

static void write_base64(struct buf *out, struct str text)
{
    for (; text.n > 0; text = str_skip(text, BASE64_LINE)) {
        base64_write(out, str_sub(text, 0, BASE64_LINE));
        buf_add(out, STR("\r\n"));
    }
}

void letter_write_text(struct buf *out, struct str text)
{
    bool is_ascii = letter_is_ascii(text);
    bool is_long = has_long_lines(text);
    buf_addf(out,
             "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=%s\r\n"
             "Content-Transfer-Encoding: %s\r\n\r\n",
             is_ascii ? "us-ascii" : "utf-8",
             is_long    ? "base64"
             : is_ascii ? "7bit"
                        : "8bit");
    if (is_long) {
        write_base64(out, text);
        return;
    }
    letter_write_lines(out, text);
}

void letter_write_json(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    while (text.n > 0) {
        uint32_t c = 0;
        if (!utf8_next(&text, &c)) {
            text = str_skip(text, 1);
            c = 0xfffd;
        }
        if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
        }
        if (c < 32 || c == 127) {
            buf_addf(out, "\\u%04x", c);
        } else {
            utf8_write(out, c);
        }
    }
    buf_add_char(out, '"');
}
