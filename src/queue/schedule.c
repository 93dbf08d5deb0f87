/* Back-off: doubling from a first wait to a bound, with jitter. The wait for a store worker begins shorter, because the
 * supervisor restarts a worker in moments, and a person is waiting for local mail to appear. */
#include "queue/schedule.h"

uint64_t schedule_get_wait_ms(uint32_t attempts, bool is_local, uint32_t random)
{
    uint64_t wait = is_local ? SCHEDULE_FIRST_LOCAL_MS : SCHEDULE_FIRST_MS;
    for (uint32_t i = 1; i < attempts && wait < SCHEDULE_MOST_MS; i++) {
        wait *= 2;
    }
    wait = wait < SCHEDULE_MOST_MS ? wait : SCHEDULE_MOST_MS;
    uint64_t spread = wait * 2 / 5;
    return wait - spread / 2 + spread * random / UINT32_MAX;
}
