/* mbox: messages behind "From " lines (RFC 4155 and what came before it).
 *
 * A message starts at a line "From " that opens the file or follows an empty line, and that ends in something like
 * "Sat Nov 21 19:22:25 2026"; other lines that begin so are text. Inside, one '>' is taken off lines that match
 * ">*From " (mboxrd). The empty line before the next "From " belongs to the format. Flags are in Status (R read),
 * X-Status (A answered, F flagged, T draft, D deleted) and X-Keywords; those fields stay where they are. */
#include "tools/source.h"

#include "base/buf.h"
#include "store/view.h"

#include <time.h>

struct mbox {
    const struct source_sink *sink;
    struct str path;
    struct buf unquoted;
    struct buf converted;
};

/* The date at the end of a "From " line; INT64_MIN when it is none. */
static int64_t parse_from_date(struct str line)
{
    struct tm t = {0};
    char text[128];
    line = str_trim(line);
    size_t n = line.n < sizeof(text) - 1 ? line.n : sizeof(text) - 1;
    memcpy(text, line.p + (line.n - n), n);
    text[n] = '\0';
    for (const char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' ')) {
        const char *end = strptime(at, " %a %b %d %H:%M:%S %Y", &t);
        if (end == NULL) {
            end = strptime(at, " %a %b %d %H:%M:%S %Z %Y", &t);
        }
        if (end != NULL) {
            return (int64_t)timegm(&t);
        }
    }
    return INT64_MIN;
}

/* Position of the next line that opens a message, from a line start on; s.n when there is none. */
static size_t find_from(struct str s, size_t at)
{
    bool after_empty = at == 0;
    while (at < s.n) {
        struct str rest = str_skip(s, at);
        size_t n = str_find_char(rest, '\n');
        struct str line = str_sub(rest, 0, n);
        if (after_empty && str_starts(line, STR("From ")) && parse_from_date(line) != INT64_MIN) {
            return at;
        }
        after_empty = str_trim(line).n == 0;
        at += n < rest.n ? n + 1 : n;
    }
    return s.n;
}

static struct str unquote(struct mbox *m, struct str body)
{
    if (str_find_str(body, STR("\n>")) == body.n) {
        return body;
    }
    buf_clear(&m->unquoted);
    while (body.n > 0) {
        size_t n = str_find_char(body, '\n');
        struct str line = str_sub(body, 0, n + 1);
        size_t quotes = 0;
        while (quotes < line.n && line.p[quotes] == '>') {
            quotes++;
        }
        bool is_quoted = quotes > 0 && str_starts(str_skip(line, quotes), STR("From "));
        buf_add(&m->unquoted, str_skip(line, is_quoted ? 1 : 0));
        body = str_skip(body, line.n);
    }
    return buf_str(&m->unquoted);
}

/* The value of a header field, from the raw header; empty without it. */
static struct str find_field(struct str octets, struct str name)
{
    while (octets.n > 0) {
        struct str line = str_split(&octets, '\n');
        if (str_trim(line).n == 0) {
            break;
        }
        if (line.n > name.n && str_starts_nocase(line, name) && line.p[name.n] == ':') {
            return str_trim(str_skip(line, name.n + 1));
        }
    }
    return STR_EMPTY;
}

static uint64_t status_flags(struct str octets)
{
    static const struct {
        char letter;
        uint64_t flag;
    } LETTERS[] = {{'R', FLAG_SEEN},
                   {'A', FLAG_ANSWERED},
                   {'F', FLAG_FLAGGED},
                   {'T', FLAG_DRAFT},
                   {'D', FLAG_DELETED}};
    struct str status = find_field(octets, STR("Status"));
    struct str x_status = find_field(octets, STR("X-Status"));
    uint64_t flags = 0;
    for (size_t i = 0; i < sizeof(LETTERS) / sizeof(LETTERS[0]); i++) {
        struct str where = LETTERS[i].flag == FLAG_SEEN ? status : x_status;
        flags |= str_find_char(where, LETTERS[i].letter) < where.n ? LETTERS[i].flag : 0;
    }
    return flags;
}

static enum err give(struct mbox *b, struct str from_line, struct str body)
{
    struct str keywords[SOURCE_KEYWORDS_MOST];
    struct str names = find_field(body, STR("X-Keywords"));
    struct source_message m = {.path = b->path, .keywords = keywords};
    m.octets = source_canonical(unquote(b, body), &b->converted);
    m.flags = status_flags(body);
    while (names.n > 0 && m.keyword_count < SOURCE_KEYWORDS_MOST) {
        struct str word = str_trim(str_split(&names, ' '));
        if (word.n > 0) {
            keywords[m.keyword_count++] = word;
        }
    }
    m.date_s = parse_from_date(from_line);
    return b->sink->on_message(b->sink->owner, &m);
}

/* One message without the "From " line and without the empty line that separates it from the next. */
static struct str cut_body(struct str message, bool is_last)
{
    struct str body = str_skip(message, str_find_char(message, '\n') + 1);
    if (!is_last && str_ends(body, STR("\r\n\r\n"))) {
        body.n -= 2;
    } else if (!is_last && str_ends(body, STR("\n\n"))) {
        body.n -= 1;
    }
    return body;
}

static enum err walk(struct mbox *b, struct str octets, uint64_t *count)
{
    size_t at = find_from(octets, 0);
    while (at < octets.n) {
        struct str rest = str_skip(octets, at);
        size_t first_line = str_find_char(rest, '\n');
        size_t next = find_from(octets, at + first_line + 1);
        if (count != NULL) {
            (*count)++;
        } else {
            struct str message = str_sub(octets, at, next - at);
            TRY(give(b, str_sub(message, 0, first_line), cut_body(message, next == octets.n)));
        }
        at = next;
    }
    return ERR_OK;
}

enum err source_mbox_walk(const char *path, const struct source_sink *sink, uint64_t *count)
{
    struct source_file file;
    struct mbox b = {.sink = sink, .path = str_from_c(path)};
    TRY(source_file_open(path, &file));
    b.unquoted = BUF_INIT(SIZE_MAX / 2);
    b.converted = BUF_INIT(SIZE_MAX / 2);
    enum err e = file.octets.n > 0 && find_from(file.octets, 0) == file.octets.n
                     ? ERR_NOT_FOUND
                     : (sink == NULL ? ERR_OK : sink->on_folder(sink->owner, STR_EMPTY));
    if (e == ERR_OK) {
        e = walk(&b, file.octets, count);
    }
    buf_release(&b.unquoted);
    buf_release(&b.converted);
    source_file_release(&file);
    return e;
}
