/* States of sessions, on their way over a link.
 *
 * A session's state says where another process would have to go on; it is of use only to who has passed on exactly the octets
 * that it speaks of. So SAVE carries both, the octets within the window as if they were DATA, and is handled whole or, when its
 * sender dies in the middle of it, not at all:
 *
 *     octets   field
 *     8        used, little-endian
 *     8        literal
 *     1        1: may park
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
 * Coming in, the last state counts; the user may take the octets slowly. */
#include "base/mem.h"
#include "base/scan.h"
#include "net/link_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { MAY_PARK = 1 };

static void write_record(struct buf *out, const struct link_save *save)
{
    buf_add_le64(out, save->used);
    buf_add_le64(out, save->literal);
    buf_add_char(out, save->may_park ? MAY_PARK : 0);
    buf_add_char(out, (char)save->mark);
    buf_add_le16(out, save->heartbeat_s);
    buf_add_le32(out, (uint32_t)save->state.n);
    buf_add(out, save->state);
}

/* Reads the head and the state; what is left in c are the octets. */
static bool read_record(struct scan *c, struct link_save *out)
{
    out->used = scan_le64(c);
    out->literal = scan_le64(c);
    struct str bits = scan_take(c, 2, "flags");
    out->heartbeat_s = scan_le16(c);
    uint32_t n = scan_le32(c);
    if (!scan_is_ok(c) || n > LINK_STATE_MOST || ((uint8_t)bits.p[0] & ~MAY_PARK) != 0) {
        return false;
    }
    out->may_park = bits.p[0] == MAY_PARK;
    out->mark = (uint8_t)bits.p[1];
    out->state = scan_take(c, n, "a state");
    return scan_is_ok(c);
}

/* ---- going out ---- */

static void drop_first(struct link_session *s)
{
    buf_release(&s->saves_out.at[0].record);
    vec_remove(&s->saves_out, 0);
    if (s->mark_out.is_there && s->mark_out.saves > 0) {
        s->mark_out.saves--;
    }
}

bool link_saves_send_first(struct link_session *s)
{
    struct save *save = &s->saves_out.at[0];
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
    s->credit -= (uint32_t)n;
    buf_add(&save->record, str_sub(backlog_str(&s->out), 0, n));
    link_send(s->link, FRAME_SAVE, s->id, buf_str(&save->record));
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
    const char *head = s->saves_out.at[count - 1].record.p;
    return head[17] == 0 && backlog_len(&s->out) - begin <= LINK_SAVE_MOST;
}

void link_save(struct stream *stream, const struct link_save *save, struct str octets)
{
    struct link_session *s = (struct link_session *)stream;
    assert(link_can_save(stream) && save->state.n <= LINK_STATE_MOST);
    if (s->link == NULL || s->is_ending) {
        return;
    }
    backlog_add(&s->out, octets);
    stream->is_over_high = stream->is_over_high || backlog_len(&s->out) > STREAM_HIGH_WATER;
    if (is_mergeable(s)) {
        struct save *last = &s->saves_out.at[s->saves_out.count - 1];
        buf_clear(&last->record);
        last->at = backlog_len(&s->out);
        write_record(&last->record, save);
    } else {
        struct save fresh = {.at = backlog_len(&s->out), .record = BUF_INIT(FRAME_SAVE_MOST)};
        write_record(&fresh.record, save);
        vec_push(&s->saves_out, fresh);
    }
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
    backlog_add(&s->in, octets);
    buf_clear(&s->save_in.record);
    s->save_in.record.cap = FRAME_SAVE_MOST;
    buf_add(&s->save_in.record, str_sub(body, 0, body.n - octets.n));
    s->save_in.at = backlog_len(&s->in);
    if (save.mark != 0) {
        return link_session_hear_mark(s, save.mark);
    }
    stream_hold(&s->base);
    link_session_give(s, false);
    (void)stream_drop(&s->base);
    return true;
}

void link_saves_give(struct link_session *s)
{
    struct buf record = s->save_in.record;
    struct link_save save;
    struct scan c = scan_make(buf_str(&record));
    s->save_in.record = BUF_INIT(FRAME_SAVE_MOST);
    if (s->keeper != NULL && read_record(&c, &save)) {
        s->keeper->on_save(s->base.owner, &save);
    }
    buf_release(&record);
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
