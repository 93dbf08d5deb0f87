/* What the time says to senders, independent of attempts: mail behind a host that is down is not tried one by one, yet its
 * senders hear of the delay after some hours and of the end after some days, and a DELIVERBY is kept to the second.
 *
 * A pass takes a bounded number of recipients, message by message; when there are more, the commit of this pass wakes the
 * runner for the next one. What an attempt has in its hands is left to it: its outcome asks the time itself. */
#include "queue/runner_priv.h"

#include "base/log.h"

enum { PASS_MOST = 200, MESSAGE_RECIPIENTS_MOST = 100, MEMORY_MOST = 8 * 1024 * 1024 };

static enum err tell_message(struct runner *r, struct arena *a, uint64_t message_id,
                             uint64_t now_ms)
{
    struct queue_message m;
    size_t most = MESSAGE_RECIPIENTS_MOST + map_get_count(r->busy);
    TRY(queue_load_tell(r->args.queue, a, message_id, now_ms, most, &m));
    struct verdict *verdicts = arena_array(a, struct verdict, m.recipient_count + 1);
    size_t count = 0;
    if (verdicts == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < m.recipient_count && count < MESSAGE_RECIPIENTS_MOST; i++) {
        struct queue_recipient *q = &m.recipients[i];
        if (!runner_is_busy(r, q->id)) {
            verdicts[count++] = settle_by_time(r, a, &m, q);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (verdicts[i].is_over) {
            log_info("queue: message %llu to <%.*s> given up: its time is over",
                     (unsigned long long)m.id, STR_ARG(verdicts[i].recipient->to.address));
        }
    }
    return settle_write(r, a, &m, verdicts, count);
}

enum err deadline_run(struct runner *r, uint64_t now_ms)
{
    vec_clear(&r->due);
    unsigned most = PASS_MOST + (unsigned)map_get_count(r->busy);
    TRY(queue_find_tell(r->args.queue, now_ms, most, runner_note_due, r));
    struct arena *a = arena_new(MEMORY_MOST);
    enum err e = ERR_OK;
    uint64_t last = 0;
    for (size_t i = 0; i < r->due.count && e == ERR_OK; i++) {
        uint64_t id = r->due.at[i].message_id;
        if (id != last) {
            e = tell_message(r, a, id, now_ms);
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
            arena_clear(a);
        }
        last = id;
    }
    arena_free(&a);
    return e;
}
