/* The edge's side of a session that may leave its process: state, log and counts, by the rules of net/session.h. */
#include "kept.h"

enum { LOG_MOST = 64 * 1024 * 1024, USER_MOST = 256 };

void kept_init(struct kept *k)
{
    *k = (struct kept){.state = BUF_INIT(SESSION_STATE_MOST),
                       .log = BUF_INIT(LOG_MOST),
                       .far_user = BUF_INIT(USER_MOST)};
}

void kept_release(struct kept *k)
{
    buf_release(&k->state);
    buf_release(&k->log);
    buf_release(&k->far_user);
}

void kept_note_input(struct kept *k, struct str octets)
{
    uint64_t n = k->literal - k->literal_gone;
    n = n < octets.n ? n : octets.n;
    k->fed += octets.n;
    k->literal_gone += n;
    k->may_park = false;
    buf_add(&k->log, str_skip(octets, (size_t)n));
}

static void note_said(struct kept *k, struct str said)
{
    k->said += said.n;
    if (said.n > sizeof(k->tail)) {
        said = str_skip(said, said.n - sizeof(k->tail));
    }
    size_t keep = sizeof(k->tail) - said.n;
    keep = keep < k->tail_len ? keep : k->tail_len;
    memmove(k->tail, k->tail + (k->tail_len - keep), keep);
    if (said.n > 0) {
        memcpy(k->tail + keep, said.p, said.n);
    }
    k->tail_len = keep + said.n;
}

static void note_far(struct kept *k, const struct session_far *far)
{
    buf_clear(&k->far_user);
    if (far != NULL) {
        buf_add(&k->far_user, far->user);
        k->far_watch = far->watch;
        k->far_mailbox_id = far->mailbox_id;
    }
}

void kept_note_step(struct kept *k, struct session *core, struct str said)
{
    struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct session_save save = {.state = &state};
    if (core->ops->save == NULL || !core->ops->save(core, &save)) {
        note_said(k, said);
        buf_release(save.state);
        return;
    }
    uint64_t used = k->fed - core->ops->get_input_backlog(core);
    uint64_t n = used - k->used;
    buf_consume(&k->log, (size_t)(n - (n < k->literal_gone ? n : k->literal_gone)));
    buf_release(&k->state);
    k->state = *save.state;
    k->has_state = true;
    k->used = used;
    k->literal = save.literal;
    k->literal_gone = 0;
    k->may_park = save.may_park;
    k->watch = save.watch;
    k->mailbox_id = save.mailbox_id;
    note_far(k, save.far);
    k->said = 0;
    k->tail_len = 0;
}

struct session_resume kept_get_resume(const struct kept *k, bool is_dead)
{
    return (struct session_resume){
        .state = buf_str(&k->state),
        .literal_gone = k->literal_gone,
        .said = k->said,
        .said_tail = str_make(k->tail, k->tail_len),
        .heard = is_dead ? k->log.len : 0,
    };
}

void kept_forget_said(struct kept *k, struct str said, size_t n)
{
    if (n == 0) {
        return;
    }
    k->said -= n;
    k->tail_len = k->said < sizeof(k->tail) ? (size_t)k->said : sizeof(k->tail);
    memcpy(k->tail, said.p + (said.n - k->tail_len), k->tail_len);
}

void kept_note_resume(struct kept *k)
{
    k->fed = k->used + k->literal_gone + k->log.len;
}
