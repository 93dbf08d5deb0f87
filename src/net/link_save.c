/* States of sessions, on their way over a link.
 *
 * A session's state says where another process would have to go on; it is of use only to who has passed on exactly the octets
 * that it speaks of. So SAVE carries both, the octets within the window as if they were DATA, and is handled whole or, when its
 * sender dies in the middle of it, not at all:
 *
 *     octets   field
 *     8        used, little-endian
 *     8        literal
 *     1        1: may park; 2: the state is the one of the last SAVE that had one, and none follows
 *     1        mark that follows, or 0
 *     2        heartbeat_s
 *     4        length of the state
 *     length   state
 *     rest     octets
 *
 * When credit or road are missing, octets and states wait together, each state with its place among them; the octets of one leave
 * only when there is credit for all (at most LINK_SAVE_MOST, which is less than a window, so that comes). What is longer goes ahead as
 * DATA. States that wait behind one another are merged into the last one, as long as their octets fit.
 *
 * Coming in, the last state counts; the user may take the octets slowly.
 *
 * Every answer goes this way, so where nothing has to wait, octets and state go through without being copied here.
 *
 * Most commands leave a session as it was. Then its state is not sent again (is_same), only how much it accounts for. */
#include "base/mem.h"
#include "base/scan.h"
#include "net/link_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { MAY_PARK = 1, IS_SAME = 2 };

static void write_le(char *at, uint64_t v, size_t octets)
{
    for (size_t i = 0; i < octets; i++) {
        at[i] = (char)(unsigned char)(v >> (8 * i));
    }
}

static void send_save(struct link_session *s, const struct link_save *save, struct str octets)
{
    char raw[FRAME_HEADER_SIZE + FRAME_SAVE_HEAD];
    char *head = raw + FRAME_HEADER_SIZE;
    write_le(head, save->used, 8);
    write_le(head + 8, save->literal, 8);
    head[16] = (char)((save->may_park ? MAY_PARK : 0) | (save->is_same ? IS_SAME : 0));
    head[17] = (char)save->mark;
    write_le(head + 18, save->heartbeat_s, 2);
    write_le(head + 20, save->state.n, 4);
    size_t n = FRAME_SAVE_HEAD + save->state.n + octets.n;
    link_write_header(raw, FRAME_SAVE, s->id, n);
    s->credit -= (uint32_t)octets.n;
    stream_write(s->link->under, str_make(raw, sizeof(raw)));
    stream_write(s->link->under, save->state);
    stream_write(s->link->under, octets);
}

/* Reads the head and the state; what is left in c are the octets. */
static bool read_record(struct scan *c, struct link_save *out)
{
    out->used = scan_le64(c);
    out->literal = scan_le64(c);
    struct str bits = scan_take(c, 2, "flags");
    out->heartbeat_s = scan_le16(c);
    uint32_t n = scan_le32(c);
    if (!scan_is_ok(c) || n > LINK_STATE_MOST
        || ((uint8_t)bits.p[0] & ~(MAY_PARK | IS_SAME)) != 0) {
        return false;
    }
    out->may_park = (bits.p[0] & MAY_PARK) != 0;
    out->is_same = (bits.p[0] & IS_SAME) != 0;
    out->mark = (uint8_t)bits.p[1];
    out->state = scan_take(c, n, "a state");
    return scan_is_ok(c) && !(out->is_same && n > 0);
}

/* ---- those that wait ---- */

static void put_save(struct save *w, const struct link_save *save, size_t at)
{
    bool stays = save->is_same && w->state.len > 0;
    w->at = at;
    w->head = *save;
    w->head.state = STR_EMPTY;
    w->head.is_same = save->is_same && !stays;
    if (!stays) {
        buf_clear(&w->state);
        buf_add(&w->state, save->state);
    }
}

static struct link_save get_save(const struct save *w)
{
    struct link_save save = w->head;
    save.state = buf_str(&w->state);
    return save;
}

/* ---- going out ---- */

static void drop_first(struct link_session *s)
{
    buf_release(&s->saves_out.at[0].state);
    vec_remove(&s->saves_out, 0);
    if (s->mark_out.is_there && s->mark_out.saves > 0) {
        s->mark_out.saves--;
    }
}

bool link_saves_send_first(struct link_session *s)
{
    const struct save *save = &s->saves_out.at[0];
    size_t n = save->at;
    if (n > LINK_SAVE_MOST) {
        size_t sent = link_session_send(s, str_sub(backlog_str(&s->out), 0, n - LINK_SAVE_MOST));
        backlog_eat(&s->out, sent);
        link_saves_note_sent(s, sent);
        return sent > 0;
    }
    if (n > s->credit || !link_is_free(s->link)) {
        return false;
    }
    struct link_save first = get_save(save);
    send_save(s, &first, str_sub(backlog_str(&s->out), 0, n));
    backlog_eat(&s->out, n);
    link_saves_note_sent(s, n);
    drop_first(s);
    return true;
}

void link_saves_note_sent(struct link_session *s, size_t n)
{
    for (size_t i = 0; i < s->saves_out.count; i++) {
        s->saves_out.at[i].at -= n;
    }
    if (s->mark_out.is_there) {
        s->mark_out.at -= n;
    }
}

void link_saves_release(struct link_session *s)
{
    while (s->saves_out.count > 0) {
        drop_first(s);
    }
    vec_release(&s->saves_out);
}

/* The octets of the last state that waits, and those behind it, would fit one frame. */
static bool is_mergeable(const struct link_session *s)
{
    size_t count = s->saves_out.count;
    if (count == 0 || (s->mark_out.is_there && s->mark_out.saves == count)) {
        return false;
    }
    size_t begin = count > 1 ? s->saves_out.at[count - 2].at : 0;
    bool has_mark = s->saves_out.at[count - 1].head.mark != 0;
    return !has_mark && backlog_len(&s->out) - begin <= LINK_SAVE_MOST;
}

/* It can leave at once, as it is. */
static bool is_first(const struct link_session *s, struct str octets)
{
    bool is_waiting = s->saves_out.count > 0 || backlog_len(&s->out) > 0 || s->mark_out.is_there;
    return !is_waiting && octets.n <= LINK_SAVE_MOST && octets.n <= s->credit
           && link_is_free(s->link);
}

void link_save(struct stream *stream, const struct link_save *save, struct str octets)
{
    struct link_session *s = (struct link_session *)stream;
    assert(link_can_save(stream) && save->state.n <= LINK_STATE_MOST);
    if (s->link == NULL || s->is_ending) {
        return;
    }
    if (is_first(s, octets)) {
        send_save(s, save, octets);
        return;
    }
    backlog_add(&s->out, octets);
    stream->is_over_high = stream->is_over_high || backlog_len(&s->out) > STREAM_HIGH_WATER;
    if (!is_mergeable(s)) {
        struct save fresh = {.state = BUF_INIT(LINK_STATE_MOST)};
        vec_push(&s->saves_out, fresh);
    }
    put_save(&s->saves_out.at[s->saves_out.count - 1], save, backlog_len(&s->out));
    link_session_pump(s);
}

bool link_park(struct stream **stream, uint32_t *id)
{
    struct link_session *s = (struct link_session *)*stream;
    assert(link_can_save(*stream));
    if (s->link == NULL || s->is_ending || s->has_heard_end || s->mark_out.is_there
        || s->saves_out.count > 0 || backlog_len(&s->out) > 0 || backlog_len(&s->in) > 0) {
        return false;
    }
    *id = s->id;
    link_send(s->link, FRAME_PARK, s->id, STR_EMPTY);
    link_session_detach(s);
    stream_free(stream);
    return true;
}

/* ---- coming in ---- */

/* Nothing came that the user has not taken, and he takes this now. */
static void give_save(struct link_session *s, const struct link_save *save, struct str octets)
{
    if (octets.n > 0) {
        link_session_receive(s, octets);
    }
    if (!s->base.is_freed && !s->base.has_ended && s->keeper != NULL) {
        s->keeper->on_save(s->base.owner, save);
    }
}

static void keep_save(struct link_session *s, const struct link_save *save, struct str octets)
{
    backlog_add(&s->in, octets);
    if (s->save_in == NULL) {
        s->save_in = mem_new(sizeof(*s->save_in));
        s->save_in->state = BUF_INIT(LINK_STATE_MOST);
    }
    put_save(s->save_in, save, backlog_len(&s->in));
}

bool link_session_hear_save(struct link_session *s, struct str body)
{
    struct link_save save;
    struct scan c = scan_make(body);
    if (!read_record(&c, &save)) {
        return false;
    }
    struct str octets = scan_rest(&c);
    bool is_behind_mark = s->mark_in.is_there && link_has_save_in(s) && s->mark_in.saves > 0;
    if (octets.n > LINK_SAVE_MOST || !link_session_expect(s, (uint32_t)octets.n)
        || is_behind_mark) {
        return false;
    }
    stream_hold(&s->base);
    bool is_open = stream_is_open(&s->base) && !link_session_has_waiting(s);
    if (is_open) {
        give_save(s, &save, octets);
    } else {
        keep_save(s, &save, octets);
    }
    bool is_fine = true;
    if (!s->base.is_freed && save.mark != 0) {
        is_fine = link_session_hear_mark(s, save.mark);
    } else if (!is_open) {
        link_session_give(s, false);
    }
    (void)stream_drop(&s->base);
    return is_fine;
}

void link_saves_give(struct link_session *s)
{
    struct save *w = s->save_in;
    struct link_save save = get_save(w);
    s->save_in = NULL;
    if (s->keeper != NULL) {
        s->keeper->on_save(s->base.owner, &save);
    }
    buf_release(&w->state);
    free(w);
}

bool link_session_hear_park(struct link_session *s)
{
    if (s->keeper == NULL || s->has_heard_end || s->is_park_due) {
        return false;
    }
    s->is_park_due = true;
    stream_hold(&s->base);
    link_session_give(s, false);
    (void)stream_drop(&s->base);
    return true;
}

void link_set_keeper(struct stream *stream, const struct link_keeper *k)
{
    assert(link_can_save(stream));
    ((struct link_session *)stream)->keeper = k;
}

bool link_was_cut(const struct stream *stream)
{
    return link_can_save(stream) && ((const struct link_session *)stream)->is_cut;
}

uint32_t link_keep(struct stream **stream, void *whose)
{
    struct link_session *s = (struct link_session *)*stream;
    struct link *l = s->link;
    uint64_t id = s->id;
    assert(link_can_save(*stream) && l != NULL);
    link_session_detach(s);
    (void)map_put(l->parked, map_id(&id), whose);
    stream_free(stream);
    return (uint32_t)id;
}
