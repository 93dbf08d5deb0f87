#ifndef LIMETTA_TOOLS_CHECK_TALK_H
#define LIMETTA_TOOLS_CHECK_TALK_H

#include "base/buf.h"
#include "base/str.h"
#include "wire/smtp_framing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A conversation of the path checker with a server, or with what stands in its place, as straight-line code: say, then hear, each
 * answer within a bounded time and bounded memory. Where octets come from is the io's business: the network
 * (tools/check_wire.h), a script of a unit test, or a fuzzer. */

enum talk_result {
    TALK_OK,
    TALK_SILENT, /* no whole answer in time */
    TALK_CLOSED, /* the peer ended in order */
    TALK_BROKEN, /* the connection was reset, or failed */
    TALK_NO_TLS, /* the handshake failed */
    TALK_FOREIGN /* what came is not the protocol, or has no end */
};

struct talk_io {
    /* Waits at most within_ms for octets and appends them to in. Octets that came go before an end. */
    enum talk_result (*read)(void *owner, uint64_t within_ms, struct buf *in);
    enum talk_result (*write)(void *owner, struct str octets);
    enum talk_result (*start_tls)(void *owner, uint64_t within_ms);
    uint64_t (*now_ms)(void *owner);
};

enum { TALK_LINE_MOST = 64 * 1024, TALK_ANSWER_MOST = 4 * 1024 * 1024 };

struct talk {
    const struct talk_io *io; /* borrowed, as owner */
    void *owner;
    uint64_t timeout_ms; /* of a whole answer */
    uint64_t deadline_ms;
    struct buf in;
    size_t at;               /* how much of in was used */
    uint64_t heard;          /* octets in all */
    enum talk_result result; /* not TALK_OK: the conversation is over */
    unsigned tag;            /* of the last IMAP command: "c1" */
    unsigned tag_width;      /* its digits at least, filled with zeros */
    struct buf *record;      /* borrowed; may be NULL */
    bool is_tls;
    bool has_bare_lf; /* a line ended in LF alone */
    bool
        has_octets_before; /* something stood between the go-ahead for TLS and TLS: injected (RFC 3207, 6) */
};

void talk_init(struct talk *t, const struct talk_io *io, void *owner, uint64_t timeout_ms);
void talk_release(struct talk *t);
/* An answer begins: from now on timeout_ms is left for it. The verbs below do so by themselves, but talk_line() and talk_octets(). */
void talk_expect(struct talk *t);
/* Goes on after TALK_SILENT: only time was lost. */
void talk_go_on(struct talk *t);
/* From now on all that comes, and what has come and was not used, is kept in record (borrowed), too; NULL: no longer. */
void talk_record(struct talk *t, struct buf *record);
/* The next line, without its end; borrowed until the next call. At most TALK_LINE_MOST octets. */
enum talk_result talk_line(struct talk *t, struct str *line);
/* Appends the next n octets to out. */
enum talk_result talk_octets(struct talk *t, size_t n, struct buf *out);
enum talk_result talk_say(struct talk *t, struct str octets);
/* TLS begins. What is not read by then is dropped and remembered. */
enum talk_result talk_start_tls(struct talk *t);

/* ---- IMAP ---- */

enum imap_status { IMAP_STATUS_NONE, IMAP_STATUS_OK, IMAP_STATUS_NO, IMAP_STATUS_BAD };

struct imap_answer {
    enum imap_status status;
    struct buf text; /* of the tagged reply, behind the status */
    struct buf
        lines; /* untagged responses without "* ", LF behind each; a literal stands there as its "{n}" only */
    struct buf literal; /* the last literal */
    bool has_bye;
    bool has_continue; /* it ended with "+", not with a tagged reply */
};
#define IMAP_ANSWER_INIT                                                                           \
    ((struct imap_answer){.text = BUF_INIT(TALK_LINE_MOST),                                        \
                          .lines = BUF_INIT(TALK_ANSWER_MOST),                                     \
                          .literal = BUF_INIT(TALK_ANSWER_MOST)})

void imap_answer_release(struct imap_answer *a);
/* The greeting: one line, kept as lines. TALK_OK also for BYE. */
enum talk_result talk_imap_greeting(struct talk *t, struct imap_answer *a);
/* Says a command (without tag and CRLF) and hears its answer, up to the tagged reply or a "+". */
enum talk_result talk_imap(struct talk *t, struct str command, struct imap_answer *a);
/* Goes on with a command that got a "+": says octets (which hold its CRLF), then hears the rest. */
enum talk_result talk_imap_go_on(struct talk *t, struct str octets, struct imap_answer *a);
/* Hears the answer to the command with the last tag. */
enum talk_result talk_imap_hear(struct talk *t, struct imap_answer *a);
/* The words of a capability list: of the line "CAPABILITY ..." or of a code "[CAPABILITY ...]" in lines or text. False: there is none. */
bool imap_answer_find_capability(const struct imap_answer *a, struct str *words);

/* ---- SMTP ---- */

/* Hears one reply. */
enum talk_result talk_smtp_hear(struct talk *t, struct smtp_reply *r);
/* Says a command (without CRLF) and hears its reply. */
enum talk_result talk_smtp(struct talk *t, struct str command, struct smtp_reply *r);

#endif
