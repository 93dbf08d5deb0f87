#ifndef LIMETTA_WIRE_IMAP_SCAN_H
#define LIMETTA_WIRE_IMAP_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The words of IMAP: one function a rule of RFC 3501 (9) and RFC 9051 (9), over a whole command as imap_framing
 * gathers it. Failures stay in the scan (base/scan.h); returned slices borrow from the command or live in a. At a's cap
 * the scan fails with ERR_LIMIT. Keywords compare without case. */

/* ---- the command ---- */

struct imap_command {
    struct str tag;
    struct str name;  /* as sent; "FETCH" for "UID FETCH" */
    bool is_uid;      /* "UID" stood before the name */
    struct scan args; /* over the whole text, at what follows the name: the end or a space */
};

/* Reads tag and name. Errors: ERR_SYNTAX; then out->tag is what could be used as a tag, or empty, and out->args holds
 * the place of the error. */
MUST_USE enum err imap_command_parse(struct str text, struct imap_command *out);
/* The tag of a command whose beginning is text; empty when there is none (answer with "*"). */
struct str imap_find_tag(struct str text);

/* ---- small words ---- */

/* The one space between arguments. */
void scan_sp(struct scan *c);
struct str scan_tag(struct scan *c);
struct str scan_atom(struct scan *c);
/* Steps over the keyword when it is next as a whole atom (what follows is no atom character). */
bool scan_accept_word(struct scan *c, struct str keyword);
/* The words NIL, "quoted", {n} literal. */
struct str scan_quoted(struct scan *c, struct arena *a);
/* A literal of either kind. is_streamed: its octets were handed out by the framer; then only the size is known. */
struct scan_literal_out {
    struct str octets;
    uint64_t size;
    bool is_binary;
    bool is_streamed;
};
struct scan_literal_out scan_literal(struct scan *c);
/* Quoted or literal; refuses streamed and binary literals, and NUL. */
struct str scan_string(struct scan *c, struct arena *a);
/* false: NIL. */
bool scan_nstring(struct scan *c, struct arena *a, struct str *out);
struct str scan_astring(struct scan *c, struct arena *a);
/* astring as a mailbox name: modified UTF-7 decoded (c->is_utf8: it is UTF-8), INBOX spelt so whatever its case. Bad
 * encoding: ERR_MAILBOX_NAME. Checks no more than the encoding. */
struct str scan_mailbox(struct scan *c, struct arena *a);
/* list-mailbox: a pattern with % and *; decoded to UTF-8, INBOX not folded. */
struct str scan_list_mailbox(struct scan *c, struct arena *a);

/* objectid (RFC 8474): 1 to 255 letters, digits, "_", "-". */
struct str scan_objectid(struct scan *c);

/* ---- numbers ---- */

uint32_t scan_number32(struct scan *c);
uint32_t scan_nz_number(struct scan *c);
/* RFC 9051 number64, RFC 7162 mod-sequence-valzer: 0 .. 2^63-1. */
uint64_t scan_number64(struct scan *c);
/* RFC 7162 mod-sequence-value: 1 .. 2^63-1. */
uint64_t scan_mod_sequence_value(struct scan *c);

/* ---- sets ---- */

/* 0 stands for "*"; ends in the order as sent. */
struct seq_range {
    uint32_t first;
    uint32_t last;
};

struct seq_set {
    const struct seq_range *at; /* in the arena */
    uint32_t count;             /* at least 1 */
};

void scan_seq_set(struct scan *c, struct arena *a, struct seq_set *out);
/* Adds the numbers to out, "*" being max. With max 0 (an empty mailbox) a range with "*" holds nothing. */
void seq_set_resolve(const struct seq_set *s, uint32_t max, struct numset *out);
/* Every number, with "*" as count, is 1..count: what RFC 3501 asks of message sequence numbers. */
bool seq_set_is_within(const struct seq_set *s, uint32_t count);
void seq_set_write(struct buf *out, const struct seq_set *s);
/* uid-set (RFC 4315): no "*". Adds to out. */
void scan_uid_set(struct scan *c, struct numset *out);
/* partial-range (RFC 5267, 9394): "1:100", or from the end "-1:-100". Both ends nonzero and of one sign. */
struct partial_range {
    int64_t first;
    int64_t last;
};
struct partial_range scan_partial_range(struct scan *c);
/* How many places it names. */
uint64_t partial_range_get_count(struct partial_range r);
/* The numbers of all that stand at the places of the range, counted from 1 at the lowest, or from -1 at the highest; places behind
 * the end name nothing (RFC 9394, 3.1). Adds to out. */
void partial_range_apply(struct partial_range r, const struct numset *all, struct numset *out);

/* ---- flags ---- */

/* The system flags as bits, in the order the store keeps them (FLAG_SEEN is bit 0 and so on). */
enum imap_system_flag {
    IMAP_SEEN = 1,
    IMAP_ANSWERED = 2,
    IMAP_FLAGGED = 4,
    IMAP_DELETED = 8,
    IMAP_DRAFT = 16
};

struct flag_list {
    unsigned system;            /* IMAP_SEEN ... */
    bool has_recent;            /* \Recent was named; nobody can set it */
    const struct str *keywords; /* as spelt; may repeat */
    uint32_t keyword_count;
};

/* "(" [flag *(SP flag)] ")". Unknown system flags fail. */
void scan_flag_list(struct scan *c, struct arena *a, struct flag_list *out);

enum store_op { STORE_SET, STORE_ADD, STORE_REMOVE };
struct store_att_flags {
    enum store_op op;
    bool is_silent;
    struct flag_list flags;
};
/* store-att-flags: FLAGS, +FLAGS.SILENT and so on; flags with or without parentheses. */
void scan_store_att_flags(struct scan *c, struct arena *a, struct store_att_flags *out);

/* ---- dates ---- */

/* date: 1-Jan-2026, quoted or not. Days since 1970-01-01. */
int64_t scan_date(struct scan *c);
/* date-time: " 1-Jan-2026 12:00:00 +0200" in quotes. Unix time; the zone is taken into account. */
int64_t scan_date_time(struct scan *c);

/* ---- FETCH ---- */

enum section_text {
    SECTION_ALL, /* BODY[], BODY[1.2] */
    SECTION_HEADER,
    SECTION_HEADER_FIELDS,
    SECTION_HEADER_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME
};

enum { SECTION_DEPTH_MOST = 100, SECTION_FIELDS_MOST = 1000 };

struct section {
    const uint32_t *path; /* part numbers; in the arena */
    uint32_t depth;       /* how many */
    enum section_text text;
    const struct str *fields; /* for HEADER.FIELDS and .NOT, as spelt */
    uint32_t field_count;
};

/* section-spec, without the brackets; ends before "]" or at the end. Errors: ERR_SYNTAX, ERR_TOO_DEEP. */
void scan_section_spec(struct scan *c, struct arena *a, struct section *out);
/* The whole of s (a decoded ;SECTION= of a URL). */
MUST_USE enum err section_parse(struct arena *a, struct str s, struct section *out);
/* Without brackets, upper case; section_parse() of it gives the same section. */
void section_write(struct buf *out, const struct section *s);

struct partial {
    uint64_t offset;
    uint64_t length; /* at least 1 */
};

/* "<offset.length>" when it stands there; says whether. */
bool scan_partial(struct scan *c, struct partial *out);

enum fetch_att_kind {
    FETCH_ENVELOPE,
    FETCH_FLAGS,
    FETCH_INTERNALDATE,
    FETCH_RFC822,
    FETCH_RFC822_HEADER,
    FETCH_RFC822_SIZE,
    FETCH_RFC822_TEXT,
    FETCH_BODY, /* BODY without brackets */
    FETCH_BODYSTRUCTURE,
    FETCH_UID,
    FETCH_MODSEQ,
    FETCH_BODY_SECTION, /* BODY[...] */
    FETCH_BINARY,
    FETCH_BINARY_SIZE,
    FETCH_SAVEDATE, /* RFC 8514 */
    FETCH_EMAILID,  /* RFC 8474 */
    FETCH_THREADID,
    FETCH_PREVIEW /* RFC 8970 */
};

struct fetch_att {
    enum fetch_att_kind kind;
    bool is_peek;     /* BODY.PEEK, BINARY.PEEK, RFC822.PEEK */
    bool is_lazy;     /* PREVIEW (LAZY) */
    bool has_partial; /* <a.b> */
    struct partial partial;
    struct section section; /* FETCH_BODY_SECTION, FETCH_BINARY, FETCH_BINARY_SIZE (path only) */
};

enum { FETCH_ATTS_MOST = 1000 };

struct fetch_atts {
    const struct fetch_att *at;
    uint32_t count; /* at least 1 */
};

/* ALL, FULL, FAST are written out; one attribute or a list. */
void scan_fetch_atts(struct scan *c, struct arena *a, struct fetch_atts *out);

struct fetch_modifiers {
    bool has_changedsince;
    uint64_t changedsince;
    bool is_vanished;
    bool has_partial; /* RFC 9394 */
    struct partial_range partial;
};
/* The list behind the attributes, "(CHANGEDSINCE 5 VANISHED PARTIAL -1:-100)" (RFC 4466, 7162, 9394), from its parenthesis on. */
void scan_fetch_modifiers(struct scan *c, struct fetch_modifiers *out);
/* The list behind STORE's set, "(UNCHANGEDSINCE 5)", from its parenthesis on (0 .. 2^63-1). */
uint64_t scan_store_modifiers(struct scan *c);

/* ---- SELECT, STATUS ---- */

struct seq_match {
    struct seq_set seqs; /* known sequence set: no "*" */
    struct seq_set uids; /* known UID set: no "*" */
};

struct select_params {
    bool is_condstore;
    bool is_qresync;
    uint32_t uidvalidity;
    uint64_t modseq;
    bool has_known_uids;
    struct seq_set known_uids;
    bool has_match;
    struct seq_match match;
};
/* select-params (RFC 4466, 7162), from the parenthesis on. Unknown names fail. */
void scan_select_params(struct scan *c, struct arena *a, struct select_params *out);

enum status_att {
    STATUS_MESSAGES = 1,
    STATUS_RECENT = 2,
    STATUS_UIDNEXT = 4,
    STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16,
    STATUS_HIGHESTMODSEQ = 32,
    STATUS_SIZE = 64,
    STATUS_DELETED = 128,
    STATUS_MAILBOXID = 256,       /* RFC 8474 */
    STATUS_APPENDLIMIT = 512,     /* RFC 7889 */
    STATUS_DELETED_STORAGE = 1024 /* RFC 9208 */
};
/* "(" status-att *(SP status-att) ")"; bits of enum status_att. */
unsigned scan_status_atts(struct scan *c);

/* ---- SASL ---- */

/* base64, or "=" for an initial response of no octets (RFC 4959); decoded into out. */
void scan_initial_response(struct scan *c, struct buf *out);
/* A line of the exchange: base64 to its end, decoded into out. "*": false (cancelled). Bad base64: ERR_SYNTAX in the
 * scan. */
bool scan_sasl_line(struct scan *c, struct buf *out);

#endif
