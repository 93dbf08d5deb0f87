/* Back-off: doubling from a first wait to a bound, with jitter. The wait for a store worker begins shorter, because the
 * supervisor restarts a worker in moments, and a person is waiting for local mail to appear.
 *
 * What the time says does not depend on attempts: mail behind a host that is down is not tried one by one, and its
 * senders must still hear. So each recipient carries the moment at which the time will next say something, and the queue
 * has an index of it. */
#include "queue/schedule.h"

uint64_t schedule_get_wait_ms(const struct schedule *s, uint32_t attempts, bool is_local,
                              uint32_t random)
{
    uint64_t wait = is_local ? SCHEDULE_FIRST_LOCAL_MS : s->first_ms;
    for (uint32_t i = 1; i < attempts && wait < s->most_ms; i++) {
        wait *= 2;
    }
    wait = wait < s->most_ms ? wait : s->most_ms;
    uint64_t spread = wait * 2 / 5;
    return wait - spread / 2 + spread * random / UINT32_MAX;
}

uint64_t schedule_get_start_ms(const struct queue_message *m)
{
    return m->terms.release_ms > m->arrived_ms ? m->terms.release_ms : m->arrived_ms;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t schedule_get_tell_ms(const struct schedule *s, const struct queue_message *m,
                              const struct queue_recipient *r)
{
    uint64_t tell = m->expires_ms;
    if (m->terms.by != SMTP_BY_NONE && !r->is_by_told) {
        tell = least(tell, m->terms.deliver_by_ms);
    }
    if (s->delay_ms > 0 && !r->is_delay_told) {
        tell = least(tell, schedule_get_start_ms(m) + s->delay_ms);
    }
    return tell;
}

enum schedule_word schedule_judge(const struct schedule *s, const struct queue_message *m,
                                  const struct queue_recipient *r, uint64_t now_ms)
{
    bool is_by_over = m->terms.by != SMTP_BY_NONE && now_ms >= m->terms.deliver_by_ms;
    if (is_by_over && m->terms.by == SMTP_BY_RETURN) {
        return SCHEDULE_BY_RETURNED;
    }
    if (now_ms >= m->expires_ms) {
        return SCHEDULE_EXPIRED;
    }
    if (is_by_over && !r->is_by_told) {
        return SCHEDULE_BY_DELAYED;
    }
    bool is_late = s->delay_ms > 0 && now_ms >= schedule_get_start_ms(m) + s->delay_ms;
    return is_late && !r->is_delay_told ? SCHEDULE_DELAYED : SCHEDULE_NOTHING;
}
