/* A report is a message like others, with two differences: its return path is null, so that nobody ever reports about it
 * (RFC 5321, 4.5.5), and it keeps what the message demanded of the way it travels: a report about mail that asked for
 * REQUIRETLS contains that mail (RFC 8689, 5). */
#include "queue/report.h"

#include "base/log.h"

enum {
    REPORT_MOST = 128 * 1024 * 1024,
    RETURNED_MOST = 64 * 1024 * 1024, /* of one message, in all reports about it */
    UNIQUE_CAP = 64
};

/* The recipients of a message may meet their fates one by one, each with a report. What all of these return is bounded: while so
 * many recipients are left that the message might go back so often as to be more than RETURNED_MOST, its header does. */
static bool is_brief(const struct report_args *args, const struct queue_message *m, size_t count)
{
    size_t left = 0;
    return queue_count_recipients(args->queue, m->id, &left) != ERR_OK
           || (left > count && m->size > RETURNED_MOST / left);
}

static enum err write(const struct report_args *args, const struct queue_message *m,
                      const struct dsn_recipient *entries, size_t count, struct spool *s)
{
    CLEANUP(buf_release) struct buf unique = BUF_INIT(UNIQUE_CAP);
    queue_write_unique(&unique);
    struct spool_reader *content = NULL;
    if (queue_read(args->queue, m->id, &content) != ERR_OK) {
        log_error("queue: the content of message %llu cannot be read", (unsigned long long)m->id);
    }
    struct dsn_args dsn = {args->hostname, buf_str(&unique),        args->now_ms, m, entries, count,
                           content,        is_brief(args, m, count)};
    enum err e = dsn_write(&dsn, s);
    spool_reader_free(&content);
    return e;
}

/* What is in UTF-8 inside a report stands in bodies, which may be recoded; only its own header needs SMTPUTF8 (RFC 6533, 4). */
static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127) {
            return false;
        }
    }
    return true;
}

enum err report_add(const struct report_args *args, const struct queue_message *m,
                    const struct dsn_recipient *entries, size_t count)
{
    struct spool *s = queue_spool_new(args->queue, REPORT_MOST);
    enum err e = write(args, m, entries, count, s);
    if (e != ERR_OK) {
        spool_free(&s);
        return e;
    }
    struct queue_recipient to = {
        .to = {.address = m->return_path, .notify = SMTP_NOTIFY_NEVER},
        .next_ms = args->now_ms,
    };
    struct queue_message report = {
        .arrived_ms = args->now_ms,
        .terms = {.is_utf8 = !is_ascii(m->return_path),
                  .priority = m->terms.priority,
                  .is_tls_required = m->terms.is_tls_required,
                  .is_tls_optional = m->terms.is_tls_optional},
        .recipients = &to,
        .recipient_count = 1,
    };
    return queue_add(args->queue, &report, &s);
}
