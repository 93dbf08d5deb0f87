/* LIST and ESEARCH beyond the own account.
 *
 * Whom to ask: the account of the shared namespace, and those who gave this user rights (store/acl.c), one after the other; but
 * nobody whose names no pattern can match. A grantor who has nothing to show any more is forgotten.
 *
 * Each hears first to which of its names the asker has subscribed, because that is known only here; then the command as the client
 * wrote it. Its untagged responses are the answer, its tagged reply ends it. */
#include "imap/far_list.h"

#include "base/mem.h"
#include "base/vec.h"
#include "imap/access.h"
#include "imap/peer.h"
#include "imap/session_priv.h"
#include "wire/imap_reply.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum {
    PLACES_OCTETS_MOST = 1024 * 1024,
    NAMES_OCTETS_MOST = 2 * 1024 * 1024, /* more count as not subscribed */
    MARKS_MOST = 64                      /* what stands around a name */
};

enum far_phase { FAR_OPEN, FAR_VISIBLE, FAR_LIST };

struct far_list {
    struct arena *a; /* of the places */
    VEC(struct place) places;
    size_t at;
    enum far_phase phase;
    struct peer *peer; /* of the place at `at` */
    struct imap_reply reply;
};

/* ---- whom to ask ---- */

static size_t count_slashes(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n; i++) {
        count += s.p[i] == '/';
    }
    return count;
}

/* May pattern match a name that begins with prefix (or, is_parent, prefix without its last "/")? */
static bool may_match(struct str pattern, struct str prefix, bool is_parent)
{
    size_t i = 0;
    while (i < pattern.n && i < prefix.n && pattern.p[i] == prefix.p[i]) {
        i++;
    }
    struct str rest = str_skip(pattern, i);
    if (i == prefix.n || (rest.n > 0 && str_find_char(rest, '*') < rest.n)) {
        return i == prefix.n || rest.p[0] == '*' || rest.p[0] == '%';
    }
    size_t needed = count_slashes(str_skip(prefix, i)) - (is_parent ? 1 : 0);
    return rest.n == 0 ? is_parent && i + 1 == prefix.n
                       : rest.p[0] == '%' && count_slashes(rest) >= needed;
}

static void add_place(struct far_list *f, struct place p, const struct str *patterns, size_t count)
{
    bool is_parent = count_slashes(p.prefix) > 1;
    for (size_t i = 0; i < count; i++) {
        if (may_match(patterns[i], p.prefix, is_parent)) {
            vec_push(&f->places, p);
            return;
        }
    }
}

struct far_list *far_list_new(struct imap_session *s, const struct str *patterns, size_t count)
{
    struct far_list *f = mem_new(sizeof(*f));
    f->a = arena_new(PLACES_OCTETS_MOST);
    size_t at = 0;
    struct str owner;
    while (account_next_grantor(s->account, &at, &owner)) {
        struct str prefix =
            arena_printf(f->a, "%.*s/%.*s/", STR_ARG(namespace_get_name(0)), STR_ARG(owner));
        add_place(f, (struct place){arena_str(f->a, owner), prefix}, patterns, count);
    }
    if (s->args.shared_account.n > 0) {
        struct str prefix = arena_printf(f->a, "%.*s/", STR_ARG(namespace_get_name(1)));
        add_place(f, (struct place){s->args.shared_account, prefix}, patterns, count);
    }
    return f;
}

void far_list_free(struct far_list **f)
{
    if (*f == NULL) {
        return;
    }
    peer_free(&(*f)->peer);
    vec_release(&(*f)->places);
    arena_free(&(*f)->a);
    free(*f);
    *f = NULL;
}

/* ---- asking ---- */

static void write_visible(struct imap_session *s, struct str prefix, struct buf *out)
{
    struct mailbox_info info;
    buf_add(out, STR("V VISIBLE"));
    for (size_t at = 0; account_next_mailbox(s->account, &at, &info);) {
        bool is_room = out->len + info.name.n < NAMES_OCTETS_MOST - MARKS_MOST;
        if (is_room && info.is_subscribed && str_starts(info.name, prefix)) {
            buf_add_char(out, ' ');
            imap_write_client_literal_head(out, info.name.n, false);
            buf_add(out, info.name);
        }
    }
    imap_write_crlf(out);
}

static void open_place(struct far_list *f, struct imap_session *s)
{
    const struct place *p = &f->places.at[f->at];
    CLEANUP(buf_release) struct buf visible = BUF_INIT(NAMES_OCTETS_MOST);
    f->peer = peer_new(s, p);
    f->reply = (struct imap_reply){.tag = STR("V")};
    write_visible(s, p->prefix, &visible);
    peer_write(f->peer, buf_str(&visible));
    f->phase = FAR_VISIBLE;
}

static void leave_place(struct far_list *f)
{
    peer_free(&f->peer);
    f->at++;
    f->phase = FAR_OPEN;
}

static enum step hear_visible(struct far_list *f, struct imap_session *s)
{
    struct str line;
    struct str owner = f->places.at[f->at].owner;
    enum step step = peer_ask(f->peer, &f->reply, false, &line);
    if (step == STEP_DONE && imap_reply_is_ok(&f->reply, line)) {
        peer_write_command(f->peer, s->cmd_scan.s);
        peer_write(f->peer, STR("\r\n"));
        f->reply = (struct imap_reply){.tag = s->cmd.tag};
        f->phase = FAR_LIST;
        return STEP_DONE;
    }
    if (step == STEP_MORE) {
        return STEP_MORE;
    }
    bool is_empty = step == STEP_DONE || peer_get_err(f->peer) == ERR_NO_MAILBOX;
    if (is_empty && account_has_grantor(s->account, owner)) {
        err_ignore(account_set_grantor(s->account, owner, false));
    }
    leave_place(f);
    return STEP_DONE;
}

static enum step hear_list(struct far_list *f, struct imap_session *s, struct buf *out)
{
    struct str in = STR_EMPTY;
    size_t used = 0;
    enum step step = peer_read(f->peer, &in);
    while (step == STEP_DONE && out->len < SESSION_OUTPUT_MOST) {
        enum imap_reply_event event = imap_reply_next(&f->reply, in, &used);
        if (event == IMAP_REPLY_MORE) {
            step = peer_read_more(f->peer, &in);
            continue;
        }
        peer_use(f->peer, used);
        if (event == IMAP_REPLY_TAGGED) {
            leave_place(f);
            return STEP_DONE;
        }
        buf_add(out, str_sub(in, 0, used));
        step = peer_read(f->peer, &in);
    }
    if (step == STEP_BAD) {
        s->is_broken = f->reply.is_in_line;
        leave_place(f);
        return STEP_DONE;
    }
    return step;
}

enum run far_list_run(struct far_list *f, struct imap_session *s, struct buf *out)
{
    while (f->at < f->places.count && !s->is_broken) {
        enum step step = STEP_DONE;
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        if (f->phase == FAR_OPEN) {
            open_place(f, s);
        }
        step = f->phase == FAR_VISIBLE ? hear_visible(f, s) : hear_list(f, s, out);
        if (step == STEP_MORE) {
            return RUN_EVENT;
        }
    }
    return RUN_DONE;
}
