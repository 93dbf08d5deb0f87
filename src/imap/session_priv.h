#ifndef LIMETTA_IMAP_SESSION_PRIV_H
#define LIMETTA_IMAP_SESSION_PRIV_H

#include "base/buf.h"
#include "base/numset.h"
#include "imap/binary.h"
#include "imap/command.h"
#include "imap/contexts.h"
#include "imap/host.h"
#include "imap/news.h"
#include "imap/notify.h"
#include "imap/session.h"
#include "imap/url.h"
#include "net/session.h"
#include "store/annotation.h"
#include "store/store.h"
#include "wire/imap_framing.h"

#include <stdbool.h>
#include <stdint.h>

/* The inside of a session, for the files of this room only. */

/* The selected mailbox, and what the client knows of it. */
struct selected {
    struct mailbox *mailbox; /* counted; NULL: none is selected */
    struct view *known;      /* what the client was told, counted */
    /* counted: what it was, before something of it was not told because of NOTIFY; NULL: all was told */
    struct view *untold;
    bool is_count_untold; /* how many messages there are was not told */
    /* UIDs that known, made again from a mark, does not have although they went later (imap/resume.h) */
    struct numset left_out;
    struct numset recent; /* UIDs that are \Recent in this session */
    struct numset
        saved; /* "$": UIDs that a search saved (RFC 5182); those that are gone count for nothing */
    bool is_saved_lost;        /* there was one, too large to outlive its process */
    struct contexts *contexts; /* live ones; NULL: there never was one */
    struct watch watch;        /* wakes the session while it idles */
    bool is_read_only;
    unsigned rights;        /* what the client was told that it may do (imap/access.h) */
    unsigned keywords_told; /* how many keywords the last FLAGS response had */
};

enum phase {
    PHASE_GREETING, /* the tagged OK of the login is to be sent */
    PHASE_READ,     /* waits for a command */
    PHASE_BEFORE,   /* tells what changed before a UID command looks at the mailbox */
    PHASE_RUN,      /* run is to be called */
    PHASE_COMMIT,   /* waits for the account's commit */
    PHASE_EVENT,    /* waits for session_wake() */
    PHASE_LITERAL,  /* waits for another account's word about a literal (imap/relay.h) */
    PHASE_LINE,     /* waits for session_wake() or a line of the client */
    PHASE_NEWS,     /* tells what changed, then the tagged reply */
    PHASE_UNASKED,  /* tells what NOTIFY asked for, between commands */
    PHASE_FAR,      /* the same, of a mailbox in another account */
    PHASE_MARK,     /* the tagged reply is said; the edge is to hear of s->mark */
    PHASE_BYE       /* it is over */
};

/* What the client knows of annotations, once it enabled METADATA (metadata.c). */
struct metadata_news {
    struct annotation_place place; /* among the changes: told up to here */
    uint64_t own[2]; /* mod-sequences of changes that the command under way made itself; 0: none */
    struct watch watch; /* wakes the session while it idles */
};

struct imap_session {
    struct session base;
    struct imap_session_args args; /* its copied strings stand behind the struct */
    struct account *account;       /* counted */
    enum phase phase;
    struct selected selected;
    struct news news;
    struct metadata_news metadata;
    struct notify *notify; /* NULL: NOTIFY was never given */
    struct imap_framing *framing;
    struct again
        *again; /* what another process may have done already; NULL: nothing, or it is settled */
    const struct command *receiving; /* whose literal is being streamed; NULL: none */
    struct scan refused;     /* why on_literal refused: place and expectation, without text */
    struct listing *listing; /* of a guest (imap/listing.h); NULL: not made */
    struct relay *far; /* whose mailbox is selected (imap/relay.h); NULL: none of another account */
    struct relay *errand; /* of the command at hand, when it is another one; NULL: none */
    struct relay *
        sink; /* far or errand: where literals of the command at hand stream to; NULL: nowhere else */
    struct upload *upload; /* messages that an APPEND brought; NULL: none (cmd/append.c) */
    bool has_condstore;    /* a CONDSTORE-enabling command was given (RFC 7162, 3.1) */
    bool has_qresync;
    bool is_rev2;      /* IMAP4rev2 was enabled (RFC 9051) */
    bool has_utf8;     /* UTF8=ACCEPT was enabled (RFC 9755); ask session_is_utf8() */
    bool has_metadata; /* METADATA or METADATA-SERVER was enabled (RFC 5464, 4.1) */
    bool has_uidonly;  /* UIDONLY was enabled (RFC 9586): no sequence numbers either way */
    bool
        is_copying; /* what another session of ours appends here are copies: it says their names (cmd/peer.c) */
    bool is_unsaved;        /* something was used or said since imap_session_save() was true */
    uint8_t left_out;       /* of what is saved, because there is too much (resume.c), */
    uint8_t left_out_for;   /* for so many times now */
    bool wants_save;        /* it is to be asked before anything more is done */
    uint32_t go_aheads;     /* literals "{n}" of the unfinished command that got their "+" */
    uint32_t go_aheads_had; /* those that are yet to come and got theirs from another process */
    bool is_over;           /* LOGOUT or BYE was said */
    bool is_broken;         /* nothing that could be said would be understood: close at once */
    bool is_compressed;     /* COMPRESS was given */
    uint16_t heartbeat_s;   /* session_save.heartbeat_s */
    bool owes_capability;   /* the list of the login waits for DEFLATE */
    enum session_mark mark; /* due behind the tagged reply; 0: none */
    struct cmd cmd;
    struct scan cmd_scan; /* over the command's text, at its arguments */
    struct commit_wait commit;
    struct binary_cache
        *binary; /* parts that were fetched; NULL: none since a mailbox was selected */
};

static inline bool session_is_selected(const struct imap_session *s)
{
    return s->selected.mailbox != NULL;
}

/* Names and quoted strings are UTF-8 both ways: reading, the scan knows it (scan.is_utf8); writing, session_write_mailbox()
 * and imap_write_text() need to be told. */
static inline bool session_is_utf8(const struct imap_session *s)
{
    return s->is_rev2 || s->has_utf8;
}

/* Unix time. */
static inline int64_t session_get_now_s(const struct imap_session *s)
{
    return (int64_t)(s->args.host->wall_ms(s->args.host->owner) / 1000);
}

/* Writes a mailbox name as this client reads it: in modified UTF-7, or in UTF-8. */
void session_write_mailbox(const struct imap_session *s, struct buf *out, struct str name);
/* The mailbox is closed for this session; nothing is told. */
void selected_close(struct imap_session *s);
/* The client gave a CONDSTORE-enabling command. The first one tells HIGHESTMODSEQ of the selected mailbox (RFC 7162, 3.1). */
void session_enable_condstore(struct imap_session *s, struct buf *out);
/* Goes on telling news, of the selected mailbox and of what NOTIFY asked for. STEP_BAD: the session is over. */
enum step session_tell(struct imap_session *s, struct buf *out);
/* Appends the names of what was enabled, each with SP behind it; and enables those named, before anything is selected. */
void session_write_modes(const struct imap_session *s, struct buf *out);
void session_set_modes(struct imap_session *s, struct str words);
/* A session without input, its account open; must_create: the account is made when it is missing. */
MUST_USE enum err session_make(const struct imap_session_args *args, bool must_create,
                               struct imap_session **out);
/* The command's work is done: tells the news that may come before its tagged reply, then that. */
void session_begin_news(struct imap_session *s);
/* An empty command begins; and forgetting the one under way. */
void session_make_command(struct imap_session *s);
void session_release_command(struct imap_session *s);
/* IDLE is under way: it hears of changes, and waits. */
void session_go_on_idling(struct imap_session *s);
/* Steps the session again soon: for what came from outside. */
void session_wake(struct imap_session *s);
/* The same for news that nobody asked for: they may gather for a moment. */
void session_wake_soon(struct imap_session *s);
/* What is known of such a part (imap/binary.h); valid until BINARY_CACHE_PARTS others were asked for. */
struct binary_part *session_get_binary(struct imap_session *s, const struct binary_part *described);
/* The next line of the client while a command runs (RUN_LINE). Borrowed until the next call. */
enum imap_frame session_next_line(struct imap_session *s, struct str *out);
/* How a URL may call this server from this session, and who asks when it reads one. Borrows from s. */
struct url_server session_get_url_server(const struct imap_session *s);
struct url_asker session_get_url_asker(const struct imap_session *s);
/* Drops what an unfinished or finished APPEND holds. */
void upload_free(struct upload **u);

#endif
