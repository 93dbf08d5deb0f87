/* The whole message goes back only with failures: when RET=FULL asked for it, or nothing was asked and it is small. Otherwise its
 * header does. A message that demanded TLS on all its way never goes back whole (RFC 8689, 5).
 *
 * Inside a report a message must not be binary (RFC 2046, 5.2.1: 7bit, 8bit or binary, and who can take binary is not
 * known), so binary parts are recoded on the way. That is tried first: what cannot be recoded goes back as its header. */
#include "queue/dsn_return.h"

#include "smtp/convert.h"

enum { HEADER_MOST = 64 * 1024, READ_MOST = 32768 };

static const struct content_able ABLE = {CONTENT_8BIT, true};

static enum err scan_only(void *scan, struct str octets)
{
    content_scan_add(scan, octets);
    return ERR_OK;
}

static bool is_recodable(struct spool_reader *content)
{
    struct content_scan scan = {.line_len = 0};
    struct str all = STR_EMPTY;
    return spool_reader_map(content, &all) == ERR_OK
           && convert_message(all, ABLE, scan_only, &scan) == ERR_OK
           && content_get_kind(&scan) != CONTENT_BINARY;
}

/* The header with the empty line; bounded. Its stray line ends are not ours to mend: what reads it takes lines. */
static enum err measure_header(struct spool_reader *content, struct dsn_return *out)
{
    struct str head = STR_EMPTY;
    TRY(spool_reader_get(content, 0, HEADER_MOST, &head));
    size_t end = 0;
    bool is_over = false;
    while (end < head.n && !is_over) {
        struct str line = str_skip(head, end);
        line = str_sub(line, 0, str_find_char(line, '\n') + 1);
        is_over = str_eq(line, STR("\r\n")) || str_eq(line, STR("\n"));
        end += line.n;
    }
    struct content_scan scan = {.line_len = 0};
    content_scan_add(&scan, str_sub(head, 0, end));
    out->is_8bit = scan.has_8bit;
    out->size = end;
    return ERR_OK;
}

enum err dsn_return_choose(const struct queue_message *m, bool may_be_full,
                           struct spool_reader *content, struct dsn_return *out)
{
    uint64_t most = m->ret == SMTP_RET_FULL ? DSN_FULL_MOST : DSN_UNASKED_MOST;
    bool is_wanted = may_be_full && m->ret != SMTP_RET_HDRS && !m->terms.is_tls_required;
    struct dsn_return what = {.size = m->size};
    what.is_recoded = m->kind == CONTENT_BINARY;
    what.is_full = is_wanted && m->size <= most && (!what.is_recoded || is_recodable(content));
    what.is_8bit = m->kind != CONTENT_7BIT;
    if (!what.is_full) {
        what.is_recoded = false;
        TRY(measure_header(content, &what));
    }
    *out = what;
    return ERR_OK;
}

static enum err add(void *spool, struct str octets)
{
    return spool_add(spool, octets);
}

static enum err copy(struct spool_reader *from, uint64_t size, struct spool *to)
{
    for (uint64_t at = 0; at < size;) {
        struct str piece = STR_EMPTY;
        uint64_t left = size - at;
        TRY(spool_reader_get(from, at, left < READ_MOST ? (size_t)left : READ_MOST, &piece));
        if (piece.n == 0) {
            return ERR_CORRUPT;
        }
        TRY(spool_add(to, piece));
        at += piece.n;
    }
    return ERR_OK;
}

enum err dsn_return_write(const struct dsn_return *what, struct spool_reader *content,
                          struct spool *s)
{
    if (!what->is_recoded) {
        return copy(content, what->size, s);
    }
    struct str all = STR_EMPTY;
    TRY(spool_reader_map(content, &all));
    return convert_message(all, ABLE, add, s);
}
