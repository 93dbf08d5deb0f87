/* The long tests (RFC 5383, 4.1 and 7): a ladder of silences, and the age of connections.
 *
 * Five logged-in IMAP connections say nothing for 5, 15, 30, 60 and 124 minutes, side by side, so all takes as long as the longest:
 * a NAT must keep them for 2 hours 4 minutes (RFC 5382, REQ-5). After its time each says NOOP; what becomes of that tells a silent
 * drop from a RST, and both from a server that logs out by itself. What the server says in between ends a silence, so the
 * longest silence on the wire counts, not the time on the clock.
 *
 * Meanwhile two connections, to 143 and to submission, say NOOP every other minute: if one of them ends, age was the reason (D20). */
#include "tools/check_path.h"

enum { STEP_COUNT = 5, BUSY_MINUTES = 2 };

static const unsigned STEP_MINUTES[STEP_COUNT] = {5, 15, 30, 60, 124};

struct busy {
    const char *name;
    struct check_path *path; /* NULL: gone */
    enum talk_result (*noop)(struct check_dialogue *d, bool *is_leave);
    uint64_t since_ms;
};

struct ladder {
    struct check_run *run;
    struct check_path *silent[STEP_COUNT];
    uint64_t since_ms[STEP_COUNT]; /* from when it is silent */
    struct busy busy[2];
    uint64_t busy_ms; /* when they spoke last */
};

static uint64_t now(const struct ladder *l)
{
    return loop_now_ms(l->run->loop);
}

static void tend(struct ladder *l, struct busy *b, const struct busy *other)
{
    bool is_leave = false;
    if (b->path == NULL || (b->noop(&b->path->dialogue, &is_leave) == TALK_OK && !is_leave)) {
        return;
    }
    if (!is_leave) {
        check_find(b->path->dialogue.leg, FINDING_DURATION_LIMIT,
                   "a connection in use ended when it was %llu s old; that to %s %s",
                   (unsigned long long)((now(l) - b->since_ms) / 1000), other->name,
                   other->path != NULL ? "lives" : "does not live either");
    }
    check_path_free(&b->path);
}

/* Waits until then; the busy connections go on meanwhile. */
static void wait_until(struct ladder *l, uint64_t then_ms)
{
    uint64_t pause_ms = BUSY_MINUTES * l->run->minute_ms;
    while (now(l) < then_ms) {
        uint64_t due = l->busy_ms + pause_ms;
        uint64_t next = due < then_ms ? due : then_ms;
        check_wire_wait(l->run->loop, next > now(l) ? next - now(l) : 0);
        if (now(l) >= due) {
            l->busy_ms = now(l);
            tend(l, &l->busy[0], &l->busy[1]);
            tend(l, &l->busy[1], &l->busy[0]);
        }
    }
}

static void note_cut(struct check_leg *leg, uint64_t silence_ms, enum talk_result r)
{
    static const char *const HOW[] = {"",
                                      "nothing comes back any more: dropped in silence",
                                      "the connection was ended without a word of the server",
                                      "the connection was reset",
                                      "TLS broke",
                                      "nonsense comes back"};
    if (leg->idle_bad_ms == 0 || silence_ms < leg->idle_bad_ms) {
        leg->idle_bad_ms = silence_ms;
    }
    check_find(leg, FINDING_IDLE_CUT, "after %llu s of silence %s; %llu s were survived",
               (unsigned long long)(silence_ms / 1000), HOW[r],
               (unsigned long long)(leg->idle_good_ms / 1000));
}

/* Its time of silence is over. */
static void try_step(struct ladder *l, unsigned i)
{
    struct check_path *p = l->silent[i];
    struct check_leg *leg = p->dialogue.leg;
    bool is_leave = false;
    bool has_spoken = false;
    uint64_t first_ms = 0;
    uint64_t silence_ms = check_wire_get_silence(p->wire, &has_spoken, &first_ms);
    enum talk_result r = check_imap_noop(&p->dialogue, &is_leave);
    if (is_leave) {
        check_find(leg, FINDING_IDLE_LOGOUT, "the server says BYE after %llu s of silence",
                   (unsigned long long)(first_ms / 1000));
    } else if (r != TALK_OK) {
        note_cut(leg, silence_ms, r);
    } else if (silence_ms > leg->idle_good_ms) {
        leg->idle_good_ms = silence_ms;
    }
    if (r == TALK_OK && has_spoken && !is_leave) {
        check_find(leg, FINDING_IDLE_SPOKEN, "the server spoke after %llu s of silence",
                   (unsigned long long)(first_ms / 1000));
    }
    check_path_free(&l->silent[i]);
}

void check_idle_run(struct check_run *run)
{
    struct ladder l = {
        .run = run,
        .busy = {{"imap", NULL, check_imap_noop, 0}, {"submission", NULL, check_smtp_noop, 0}}};
    struct check_leg *leg = check_report_find(&run->report, "imap");
    if (run->user.n == 0 && leg != NULL) {
        check_find(leg, FINDING_IDLE_UNTRIED, "no login was given: silence was not tried");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        l.busy[i].path = check_path_log_in(run, l.busy[i].name);
        l.busy[i].since_ms = now(&l);
    }
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        l.silent[i] = check_path_log_in(run, "imap");
        l.since_ms[i] = now(&l);
        if (l.silent[i] != NULL) {
            check_wire_mark(l.silent[i]->wire);
        }
    }
    l.busy_ms = now(&l);
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        if (l.silent[i] != NULL) {
            wait_until(&l, l.since_ms[i] + STEP_MINUTES[i] * run->minute_ms);
            try_step(&l, i);
        }
    }
    check_path_free(&l.busy[0].path);
    check_path_free(&l.busy[1].path);
}
