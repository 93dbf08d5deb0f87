#ifndef LIMETTA_WIRE_IMAP_FRAMING_H
#define LIMETTA_WIRE_IMAP_FRAMING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cuts the octets of an IMAP client into whole commands: lines with their literals (RFC 3501, 2.2.1 and 4.3; RFC 7888
 * "{n+}"; RFC 3516 "~{n}").
 *
 * The owner feeds octets and calls imap_framing_next() until it says IMAP_FRAME_MORE. Whenever a literal is announced it
 * is asked (IMAP_FRAME_LITERAL) and must answer with imap_framing_answer() before the next call.
 *
 * The command's text is what the peer sent, without the last line end. A gathered literal stands in it as
 * "{n}" CRLF and n octets; a streamed one is only a placeholder, "{n!}" CRLF (scan_literal() knows both). A peer cannot
 * forge either: a line end within a command's text comes from an announced literal, always. */

enum imap_frame {
    IMAP_FRAME_MORE,    /* feed more octets */
    IMAP_FRAME_COMMAND, /* a whole command: imap_framing_get_text() */
    IMAP_FRAME_LITERAL, /* a literal is announced: get_text() is what came before it, get_literal() it; answer */
    IMAP_FRAME_OCTETS,   /* some octets of a streamed literal: get_octets(); never empty */
    IMAP_FRAME_STREAMED, /* the streamed literal is complete (comes also for {0}) */
    /* The command is over and is dropped, because the owner refused a literal, a limit was met, or the line was too long:
     * get_err() says why, get_text() is its beginning (for the tag). Answer, and go on. */
    IMAP_FRAME_DROPPED,
    /* As IMAP_FRAME_DROPPED, but the peer sends more than we care to swallow: say BYE and close. Stays so. */
    IMAP_FRAME_FATAL
};

enum imap_literal_answer {
    IMAP_LITERAL_BUFFER, /* gather it into the command's text */
    IMAP_LITERAL_STREAM, /* hand it out in IMAP_FRAME_OCTETS events */
    IMAP_LITERAL_REFUSE  /* drop the command; IMAP_FRAME_DROPPED follows when it is over */
};

struct imap_literal {
    uint64_t size; /* octets */
    bool is_sync;  /* "{n}": the peer waits for "+ ..."; after BUFFER or STREAM the owner says it */
    bool is_binary; /* "~{n}" */
};

struct imap_framing_limits {
    size_t line_most;      /* octets of one command outside its literals; 0: 64 KiB */
    size_t literal_most;   /* octets of one gathered literal; 0: 64 KiB */
    size_t command_most;   /* octets of a whole gathered command; 0: 256 KiB */
    uint64_t swallow_most; /* octets of a dropped command that are read and thrown away; 0: 1 MiB */
};

struct imap_framing;

struct imap_framing *imap_framing_new(struct imap_framing_limits limits);
void imap_framing_free(struct imap_framing **f);

/* Copies octets in. More than the limits together with 128 KiB of backlog make the next event IMAP_FRAME_FATAL. */
void imap_framing_feed(struct imap_framing *f, struct str octets);
/* Octets fed that no event has looked at yet. */
size_t imap_framing_get_backlog(const struct imap_framing *f);

/* The next event. What the get functions return is borrowed until the next call of feed, next, next_line or take_rest. */
enum imap_frame imap_framing_next(struct imap_framing *f);
/* Only between commands: the next line, whatever it holds, is an event of its own: IMAP_FRAME_COMMAND, without its line
 * end (for IDLE's DONE and SASL exchanges). IMAP_FRAME_MORE, _DROPPED and _FATAL as above. */
enum imap_frame imap_framing_next_line(struct imap_framing *f);

struct str imap_framing_get_text(const struct imap_framing *f);
struct str imap_framing_get_octets(const struct imap_framing *f);
const struct imap_literal *imap_framing_get_literal(const struct imap_framing *f);
/* ERR_TOO_LONG (line), ERR_TOO_BIG (literal or command), or what the owner refused with. */
enum err imap_framing_get_err(const struct imap_framing *f);

/* Answers IMAP_FRAME_LITERAL. why: for REFUSE, comes back from get_err(). BUFFER beyond a limit becomes REFUSE with
 * ERR_TOO_BIG, then the return value is REFUSE: so say "+" only when the return value is not REFUSE. */
enum imap_literal_answer imap_framing_answer(struct imap_framing *f,
                                             enum imap_literal_answer answer, enum err why);

/* Between commands: the octets that were fed and not used, borrowed until the next call; and forgetting them (STARTTLS
 * throws them away, COMPRESS gives them to the inflater, the edge hands them to the store). */
struct str imap_framing_get_rest(const struct imap_framing *f);
void imap_framing_drop_rest(struct imap_framing *f);

/* ---- going on in another process ---- */

/* The beginning of a command that has not come whole, as far as next() looked at it: fed again, it leads here again. Behind a streamed
 * literal only what came behind that. Empty between commands. */
struct str imap_framing_get_partial(const struct imap_framing *f);
/* A command that has not come whole and cannot be had again: a literal of it was streamed, or it is being dropped. */
struct imap_lost {
    struct str tag;
    uint64_t left;      /* octets of the literal in hand that are still to come */
    uint64_t go_aheads; /* literals "{n}" behind that for which the peer has got its "+" */
    enum err err;       /* what the peer will hear */
};
/* Such a command is under way; *out borrows until the next call. go_aheads: 0. */
bool imap_framing_is_lost(const struct imap_framing *f, struct imap_lost *out);
/* On a new framing: it stands in such a command, which is dropped, however large it is. */
void imap_framing_swallow(struct imap_framing *f, const struct imap_lost *lost);

/* Gives memory back while the session idles. */
void imap_framing_shrink(struct imap_framing *f);

#endif
