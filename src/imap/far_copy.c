/* COPY and MOVE to another account.
 *
 *     C COPYING
 *     X APPEND name (flags) "date" EMAILID id {n}    waits for "+", so what is not allowed costs no octets
 *     octets
 *      (flags) "date" EMAILID id {n+}     ... and so on: one command, hence all or none
 *     octets
 *
 * Flags go by name; those that the asker may not set there are left out by the session that takes them. Nothing is copied here: the
 * stored octets go piece by piece, as they are taken. The view is held until the end, so nothing goes away meanwhile. */
#include "imap/far_copy.h"

#include "base/buf.h"
#include "base/mem.h"
#include "imap/flags.h"
#include "imap/peer.h"
#include "imap/session_priv.h"
#include "imap/walk.h"
#include "store/object.h"
#include "wire/imap_reply.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum { PIECE_SIZE = 32 * 1024, STEP_OCTETS_MOST = 256 * 1024, HEAD_MOST = 64 * 1024 };

enum far_copy_phase { FAR_COPY_NEXT, FAR_COPY_ASK, FAR_COPY_OCTETS, FAR_COPY_HEAR };

struct far_copy {
    struct peer *peer;
    struct imap_reply reply;
    struct view *view; /* counted */
    struct numset uids;
    struct walk walk;
    enum far_copy_phase phase;
    bool is_begun; /* a message was announced */
    struct body_reader *reader;
    uint64_t offset;
    struct buf answer;
    bool is_ok;
};

enum err far_copy_new(struct imap_session *s, const struct place *place, struct str name,
                      const struct numset *uids, struct far_copy **out)
{
    if (walk_count(s->selected.known, uids, true) > FAR_COPY_MESSAGES_MOST) {
        return ERR_LIMIT;
    }
    struct far_copy *t = mem_new(sizeof(*t));
    CLEANUP(buf_release) struct buf head = BUF_INIT(HEAD_MOST);
    t->reply.tag = STR("X");
    t->view = view_ref(s->selected.known);
    numset_copy(&t->uids, uids);
    walk_init(&t->walk, t->view, &t->uids, true);
    buf_init(&t->answer, HEAD_MOST);
    t->peer = peer_new(s, place);
    /* The name goes as UTF-8. */
    peer_write(t->peer, STR("E ENABLE UTF8=ACCEPT\r\nC COPYING\r\n"));
    buf_add(&head, STR("X APPEND "));
    imap_write_utf8_mailbox(&head, name);
    peer_write_command(t->peer, buf_str(&head));
    *out = t;
    return ERR_OK;
}

void far_copy_free(struct far_copy **t)
{
    if (*t == NULL) {
        return;
    }
    peer_free(&(*t)->peer);
    body_reader_free(&(*t)->reader);
    view_unref(&(*t)->view);
    numset_release(&(*t)->uids);
    buf_release(&(*t)->answer);
    free(*t);
    *t = NULL;
}

bool far_copy_is_ok(const struct far_copy *t)
{
    return t->is_ok;
}

struct str far_copy_get_reply(const struct far_copy *t)
{
    return buf_str(&t->answer);
}

/* ---- sending ---- */

/* Announces the next message, or ends the command. */
static enum err begin_message(struct far_copy *t, const struct imap_session *s)
{
    struct seq seq;
    struct message m;
    char id[OBJECT_ID_MOST];
    if (!walk_next(&t->walk, &seq)) {
        peer_write(t->peer, STR("\r\n"));
        t->phase = FAR_COPY_HEAR;
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf head = BUF_INIT(HEAD_MOST);
    TRY(view_get(t->view, seq, &m));
    TRY(body_reader_new(s->account, m.body_id, &t->reader));
    t->offset = 0;
    buf_add(&head, STR(" ("));
    flags_write(&head, s->selected.mailbox, m.flags, false);
    buf_add(&head, STR(") "));
    imap_write_date_time(&head, m.internaldate_s);
    buf_add(&head, STR(" EMAILID "));
    buf_add(&head, object_get_email(s->selected.mailbox, &m, id));
    buf_add_char(&head, ' ');
    imap_write_client_literal_head(&head, body_reader_get_size(t->reader), !t->is_begun);
    TRY(buf_err(&head));
    peer_write(t->peer, buf_str(&head));
    t->phase = t->is_begun ? FAR_COPY_OCTETS : FAR_COPY_ASK;
    t->is_begun = true;
    return ERR_OK;
}

static enum err send_piece(struct far_copy *t)
{
    struct str piece;
    TRY(body_reader_get(t->reader, t->offset, PIECE_SIZE, &piece));
    peer_write(t->peer, piece);
    t->offset += piece.n;
    if (piece.n == 0) {
        body_reader_free(&t->reader);
        t->phase = FAR_COPY_NEXT;
    }
    return ERR_OK;
}

/* What was answered: the whole command, or that the first message may come. */
static enum step hear(struct far_copy *t)
{
    struct str line;
    enum step step = peer_ask(t->peer, &t->reply, t->phase == FAR_COPY_ASK, &line);
    if (step == STEP_DONE && str_starts(line, STR("+"))) {
        t->phase = FAR_COPY_OCTETS;
        return STEP_DONE;
    }
    if (step == STEP_DONE) {
        t->is_ok = imap_reply_is_ok(&t->reply, line);
        buf_add(&t->answer, str_skip(line, t->reply.tag.n));
    }
    return step;
}

enum run far_copy_run(struct far_copy *t, struct imap_session *s, enum err *e)
{
    uint64_t sent = 0;
    while (sent < STEP_OCTETS_MOST) {
        if (t->phase == FAR_COPY_ASK || t->phase == FAR_COPY_HEAR) {
            enum step step = hear(t);
            if (step == STEP_DONE && t->phase == FAR_COPY_OCTETS) {
                continue;
            }
            *e = step == STEP_BAD ? peer_get_err(t->peer) : ERR_OK;
            return step == STEP_MORE ? RUN_EVENT : RUN_DONE;
        }
        if (peer_is_full(t->peer)) {
            return RUN_EVENT;
        }
        *e = t->phase == FAR_COPY_NEXT ? begin_message(t, s) : send_piece(t);
        sent += PIECE_SIZE;
        if (*e != ERR_OK) {
            return RUN_DONE;
        }
    }
    return RUN_MORE;
}
