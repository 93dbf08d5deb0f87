/* How a URL becomes octets: greeting, CAPABILITY, STARTTLS unless the server is this host, AUTHENTICATE PLAIN (or LOGIN),
 * then "URLFETCH" commands, each with one untagged answer.
 *
 *     GREETING -> CAPABILITY -> (STARTTLS -> TLS -> CAPABILITY) -> LOGIN -> (CAPABILITY) -> READY
 *
 * What URLs a message has is asked for without waiting, one command each, so that all of them cost one round trip (RFC 3501, 5.5,
 * 7: who sends several commands reads their answers by tag). An answer is only read when the owner wants it: what the owner does
 * not take stays with the server. A server may answer commands in another order; then nothing is mixed up, for an answer must
 * name the URL of the oldest question while there are several, but the connection is given up, and the owner asks one at
 * a time.
 *
 * The reader takes one response at a time. A response is lines joined by literals; only one literal ever matters, the
 * nstring of
 *
 *     * URLFETCH <url> {n}CRLF <n octets> CRLF
 *
 * and it streams to the owner as it comes. A whole message that may have binary parts is asked for as "(<url> BINARY)", and
 * answered with "(BINARY ~{n}", where the server offers URLFETCH=BINARY (RFC 5524): only so do they come as they were
 * stored. A section is not: decoded, it would no longer be what its MIME header says. What the server offers is asked for again
 * after the login, if the answer to that did not say it. Any other literal is gathered into the response while it is small and
 * ends the connection when it is not. The answer may also be NIL (not authorised, expired, not there: the server does not say)
 * or a quoted string.
 *
 * The server may be in the hands of an enemy (RFC 4468, 8): a line is bounded, the response is bounded, the message is
 * bounded by what the submission may still take, time is bounded by the owner. The URL carries a bearer token, so
 * neither it nor any response is logged. */
#include "smtp/imap_fetch.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scan.h"

enum {
    INPUT_MOST = 256 * 1024,
    RESPONSE_MOST = 64 * 1024,
    LITERAL_MOST = 16 * 1024, /* of a literal that is not the message */
    OCTETS_MOST = 32 * 1024,
    URL_MOST = 8192
};

enum state {
    AT_GREETING,
    AT_CAPABILITY,
    AT_STARTTLS,
    AT_TLS,
    AT_AUTHENTICATE,
    AT_LOGIN,
    AT_OFFERS, /* CAPABILITY, after the login */
    AT_READY,
    AT_FAILED
};

/* A URLFETCH without its tagged answer. */
struct question {
    struct buf url;
    unsigned tag;
};

struct imap_fetch {
    struct buf user;
    struct buf password;
    struct buf name;
    bool is_tls_required;
    bool is_tls;
    bool has_starttls;
    bool has_auth_plain;
    bool has_sasl_ir;
    bool is_login_disabled;
    bool has_urlfetch_binary;
    enum state state;
    unsigned tag;
    struct buf in;
    size_t in_at;        /* used octets of in */
    struct buf response; /* the response so far; literals inline */
    uint64_t literal_left;
    bool is_body;      /* the literal is what we asked for */
    bool is_body_done; /* the response in work had it */
    size_t body_end;   /* then: its length before what follows */
    struct buf quoted; /* the body, when it came as a quoted string */
    struct buf out;
    struct question asked[IMAP_FETCH_ASKED_MOST]; /* the oldest first */
    unsigned asked_count;
    bool is_open; /* the oldest one's answer may be read */
    uint64_t most;
    bool has_body; /* its URL was answered with octets */
    enum err refusal;
    struct str octets;
    enum err err;
    bool has_result;
};

struct imap_fetch *imap_fetch_new(const struct imap_fetch_args *args)
{
    struct imap_fetch *f = mem_new(sizeof(*f));
    buf_init(&f->user, 1024);
    buf_init(&f->password, 1024);
    buf_init(&f->name, 1024);
    buf_add(&f->name, args->name);
    buf_add(&f->user, args->user);
    buf_add(&f->password, args->password);
    buf_init(&f->in, INPUT_MOST);
    buf_init(&f->response, RESPONSE_MOST);
    buf_init(&f->quoted, RESPONSE_MOST);
    buf_init(&f->out, (size_t)2 * IMAP_FETCH_ASKED_MOST * URL_MOST);
    for (size_t i = 0; i < IMAP_FETCH_ASKED_MOST; i++) {
        buf_init(&f->asked[i].url, URL_MOST);
    }
    f->is_tls_required = args->is_tls_required;
    f->is_tls = args->is_tls;
    return f;
}

void imap_fetch_free(struct imap_fetch **f)
{
    if (*f == NULL) {
        return;
    }
    if ((*f)->password.p != NULL) {
        explicit_bzero((*f)->password.p, (*f)->password.size);
    }
    buf_release(&(*f)->user);
    buf_release(&(*f)->password);
    buf_release(&(*f)->in);
    buf_release(&(*f)->response);
    buf_release(&(*f)->quoted);
    buf_release(&(*f)->out);
    buf_release(&(*f)->name);
    for (size_t i = 0; i < IMAP_FETCH_ASKED_MOST; i++) {
        buf_release(&(*f)->asked[i].url);
    }
    free(*f);
    *f = NULL;
}

static void fail(struct imap_fetch *f, enum err e)
{
    if (f->state != AT_FAILED) {
        f->state = AT_FAILED;
        f->err = e;
    }
}

void imap_fetch_feed(struct imap_fetch *f, struct str octets)
{
    if (f->in_at == f->in.len) {
        buf_clear(&f->in);
        f->in_at = 0;
    } else if (f->in_at > INPUT_MOST / 2) {
        buf_consume(&f->in, f->in_at);
        f->in_at = 0;
    }
    buf_add(&f->in, octets);
    if (f->in.is_full) {
        fail(f, ERR_UNREACHABLE);
    }
}

struct str imap_fetch_get_octets(const struct imap_fetch *f)
{
    return f->octets;
}

enum err imap_fetch_get_err(const struct imap_fetch *f)
{
    return f->err;
}

/* ---- commands ---- */

static void start_command(struct imap_fetch *f, enum state state)
{
    f->tag++;
    buf_addf(&f->out, "L%u ", f->tag);
    f->state = state;
}

static void ask_capability(struct imap_fetch *f)
{
    f->has_starttls = false;
    f->has_auth_plain = false;
    f->has_sasl_ir = false;
    f->is_login_disabled = false;
    start_command(f, AT_CAPABILITY);
    buf_add(&f->out, STR("CAPABILITY\r\n"));
}

static void write_plain(struct imap_fetch *f)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(4096);
    buf_add_char(&plain, '\0');
    buf_add(&plain, buf_str(&f->user));
    buf_add_char(&plain, '\0');
    buf_add(&plain, buf_str(&f->password));
    base64_write(&f->out, buf_str(&plain));
    buf_add(&f->out, STR("\r\n"));
    explicit_bzero(plain.p, plain.size);
}

static void log_in(struct imap_fetch *f)
{
    if (f->has_auth_plain) {
        start_command(f, AT_AUTHENTICATE);
        buf_add(&f->out, STR("AUTHENTICATE PLAIN"));
        if (f->has_sasl_ir) {
            buf_add_char(&f->out, ' ');
            write_plain(f);
            return;
        }
        buf_add(&f->out, STR("\r\n"));
        return;
    }
    if (f->is_login_disabled) {
        log_warn("burl: %s offers no login that we can use", f->name.p);
        fail(f, ERR_UNREACHABLE);
        return;
    }
    start_command(f, AT_LOGIN);
    buf_add(&f->out, STR("LOGIN "));
    buf_add_quoted(&f->out, buf_str(&f->user));
    buf_add_char(&f->out, ' ');
    buf_add_quoted(&f->out, buf_str(&f->password));
    buf_add(&f->out, STR("\r\n"));
}

/* A URL of a whole message: what is binary there is no part of its own. */
static bool is_whole_message(struct str url)
{
    bool is_whole = true;
    for (size_t i = 0; i < url.n && is_whole; i++) {
        struct str rest = str_skip(url, i);
        is_whole = !str_starts_nocase(rest, STR(";SECTION="))
                   && !str_starts_nocase(rest, STR(";PARTIAL="));
    }
    return is_whole;
}

bool imap_fetch_may_ask(const struct imap_fetch *f)
{
    return f->state == AT_READY && f->asked_count < IMAP_FETCH_ASKED_MOST;
}

bool imap_fetch_is_idle(const struct imap_fetch *f)
{
    return f->state == AT_READY && f->asked_count == 0 && !f->has_result;
}

unsigned imap_fetch_count_asked(const struct imap_fetch *f)
{
    return f->asked_count;
}

void imap_fetch_ask(struct imap_fetch *f, struct str url, bool may_be_binary)
{
    bool is_binary = may_be_binary && f->has_urlfetch_binary && is_whole_message(url);
    start_command(f, AT_READY);
    struct question *q = &f->asked[f->asked_count++];
    q->tag = f->tag;
    buf_clear(&q->url);
    buf_add(&q->url, str_sub(url, 0, URL_MOST));
    buf_add(&f->out, is_binary ? STR("URLFETCH (") : STR("URLFETCH "));
    buf_add_quoted(&f->out, buf_str(&q->url));
    buf_add(&f->out, is_binary ? STR(" BINARY)\r\n") : STR("\r\n"));
}

void imap_fetch_open(struct imap_fetch *f, uint64_t most)
{
    f->is_open = true;
    f->most = most;
    f->has_body = false;
    f->refusal = ERR_OK;
}

void imap_fetch_logout(struct imap_fetch *f, struct buf *out)
{
    if (f->state == AT_READY && f->asked_count == 0) {
        buf_addf(out, "L%u LOGOUT\r\n", ++f->tag);
    }
}

/* ---- responses ---- */

/* One word of the response: up to SP; quoted strings whole, unescaped into word. False when the response ended. */
static bool next_word(struct scan *c, struct buf *word)
{
    buf_clear(word);
    if (scan_is_end(c)) {
        return false;
    }
    bool is_quoted = scan_accept(c, '"');
    while (!scan_is_end(c)) {
        char ch = c->s.p[c->at++];
        if (is_quoted && ch == '\\' && !scan_is_end(c)) {
            ch = c->s.p[c->at++];
        } else if (is_quoted ? ch == '"' : ch == ' ') {
            break;
        }
        buf_add_char(word, ch);
    }
    (void)(is_quoted && scan_accept(c, ' '));
    return true;
}

static void note_capabilities(struct imap_fetch *f, struct str list)
{
    while (list.n > 0) {
        struct str word = str_split(&list, ' ');
        f->has_starttls = f->has_starttls || str_eq_nocase(word, STR("STARTTLS"));
        f->has_auth_plain = f->has_auth_plain || str_eq_nocase(word, STR("AUTH=PLAIN"));
        f->has_sasl_ir = f->has_sasl_ir || str_eq_nocase(word, STR("SASL-IR"));
        f->is_login_disabled = f->is_login_disabled || str_eq_nocase(word, STR("LOGINDISABLED"));
        f->has_urlfetch_binary =
            f->has_urlfetch_binary || str_eq_nocase(word, STR("URLFETCH=BINARY"));
    }
}

/* An answer for url: is it that to the oldest question? One that cannot be told from others' is of no use. */
static bool is_in_order(struct imap_fetch *f, struct str url)
{
    if (f->asked_count < 2 || (!f->has_body && str_eq(url, buf_str(&f->asked[0].url)))) {
        return true;
    }
    fail(f, ERR_WRONG_STATE);
    return false;
}

/* "* URLFETCH url nstring" whose nstring was no literal: NIL or a quoted string; or whose literal was handed on, in which case
 * nothing follows. */
static void take_urlfetch(struct imap_fetch *f, struct scan *c)
{
    CLEANUP(buf_release) struct buf word = BUF_INIT(RESPONSE_MOST);
    (void)next_word(c, &word);
    if (f->is_body_done) {
        struct str rest = str_skip(buf_str(&f->response), f->body_end);
        if (rest.n > 0 && !str_eq(rest, STR(")"))) {
            fail(f, ERR_UNREACHABLE); /* its size was not true */
        }
        return;
    }
    if (!is_in_order(f, buf_str(&word))) {
        return;
    }
    (void)scan_accept_nocase(c, STR("(BINARY "));
    bool is_quoted = scan_peek(c) == '"';
    if (f->has_body || !next_word(c, &word)) {
        return;
    }
    if (!is_quoted) {
        f->refusal = ERR_BAD_URL; /* NIL */
        return;
    }
    if (word.len > f->most) {
        f->refusal = ERR_TOO_BIG;
        return;
    }
    f->has_body = true;
    buf_clear(&f->quoted);
    buf_add(&f->quoted, buf_str(&word));
    f->octets = buf_str(&f->quoted);
}

static void take_untagged(struct imap_fetch *f, struct scan *c)
{
    CLEANUP(buf_release) struct buf word = BUF_INIT(RESPONSE_MOST);
    (void)next_word(c, &word);
    struct str name = buf_str(&word);
    if (f->state == AT_GREETING) {
        if (str_eq_nocase(name, STR("OK"))) {
            ask_capability(f);
        } else {
            fail(f, ERR_UNREACHABLE);
        }
    } else if (str_eq_nocase(name, STR("BYE"))) {
        fail(f, ERR_UNREACHABLE);
    } else if ((f->state == AT_CAPABILITY || f->state == AT_OFFERS)
               && str_eq_nocase(name, STR("CAPABILITY"))) {
        note_capabilities(f, scan_rest(c));
    } else if (f->asked_count > 0 && str_eq_nocase(name, STR("URLFETCH"))) {
        take_urlfetch(f, c);
    }
}

static void after_capability(struct imap_fetch *f)
{
    /* RFC 4468, 3.3 and 8: TLS first, unless no wire is in between; also there when the server wants it. */
    bool is_wanted = f->is_tls_required || (f->is_login_disabled && !f->has_auth_plain);
    if (!f->is_tls && is_wanted && f->has_starttls) {
        start_command(f, AT_STARTTLS);
        buf_add(&f->out, STR("STARTTLS\r\n"));
    } else if (!f->is_tls && f->is_tls_required) {
        log_warn("burl: %s offers no TLS, which it must", f->name.p);
        fail(f, ERR_UNREACHABLE);
    } else {
        log_in(f);
    }
}

/* The oldest question's tagged answer. */
static void end_question(struct imap_fetch *f, bool is_ok)
{
    struct buf url = f->asked[0].url;
    f->asked_count--;
    memmove(&f->asked[0], &f->asked[1], f->asked_count * sizeof(f->asked[0]));
    f->asked[f->asked_count].url = url;
    f->is_open = false;
    f->has_result = true;
    f->err = f->refusal;
    if (f->err == ERR_OK && (!is_ok || !f->has_body)) {
        f->err = ERR_BAD_URL;
    }
}

/* Logged in; what the server offers now may stand in a response code. */
static void after_login(struct imap_fetch *f, struct scan *c)
{
    f->has_urlfetch_binary = false;
    if (scan_accept_nocase(c, STR("[CAPABILITY "))) {
        struct str rest = scan_rest(c);
        note_capabilities(f, str_sub(rest, 0, str_find_char(rest, ']')));
        f->state = AT_READY;
        return;
    }
    start_command(f, AT_OFFERS);
    buf_add(&f->out, STR("CAPABILITY\r\n"));
}

static void take_tagged(struct imap_fetch *f, struct scan *c)
{
    CLEANUP(buf_release) struct buf word = BUF_INIT(RESPONSE_MOST);
    (void)next_word(c, &word);
    bool is_ok = str_eq_nocase(buf_str(&word), STR("OK"));
    if (f->state == AT_READY) {
        end_question(f, is_ok);
    } else if (!is_ok) {
        bool is_login = f->state == AT_AUTHENTICATE || f->state == AT_LOGIN;
        log_warn("burl: %s refuses %s", f->name.p, is_login ? "our login" : "us");
        fail(f, ERR_UNREACHABLE);
    } else if (f->state == AT_CAPABILITY) {
        after_capability(f);
    } else if (f->state == AT_STARTTLS) {
        f->state = AT_TLS;
    } else if (f->state == AT_OFFERS) {
        f->state = AT_READY;
    } else if (f->state == AT_AUTHENTICATE || f->state == AT_LOGIN) {
        after_login(f, c);
    }
}

/* The number of a tag of ours: "L17"; 0: it is none. */
static unsigned tag_number(struct str tag)
{
    uint64_t n = 0;
    bool is_ours = str_starts(tag, STR("L")) && str_to_u64(str_skip(tag, 1), UINT32_MAX, &n);
    return is_ours ? (unsigned)n : 0;
}

static void take_tag(struct imap_fetch *f, unsigned tag, struct scan *c)
{
    unsigned wanted = f->tag;
    if (f->state == AT_READY) {
        wanted = f->asked_count > 0 ? f->asked[0].tag : 0;
    }
    if (tag != 0 && tag == wanted) {
        take_tagged(f, c);
    } else {
        fail(f, tag > wanted && tag <= f->tag ? ERR_WRONG_STATE : ERR_UNREACHABLE);
    }
}

static void take_response(struct imap_fetch *f)
{
    struct scan c = scan_make(buf_str(&f->response));
    CLEANUP(buf_release) struct buf tag = BUF_INIT(RESPONSE_MOST);
    (void)next_word(&c, &tag);
    if (str_eq(buf_str(&tag), STR("*"))) {
        take_untagged(f, &c);
    } else if (str_eq(buf_str(&tag), STR("+"))) {
        if (f->state == AT_AUTHENTICATE && !f->has_sasl_ir) {
            write_plain(f);
        }
    } else {
        take_tag(f, tag_number(buf_str(&tag)), &c);
    }
    f->is_body_done = false;
    buf_clear(&f->response);
}

/* ---- framing ---- */

/* Does the line end in "{n}", or "~{n}"? */
static bool is_literal(struct str line, uint64_t *n)
{
    if (line.n < 3 || line.p[line.n - 1] != '}') {
        return false;
    }
    size_t at = str_find_last_char(line, '{');
    return at < line.n && str_to_u64(str_sub(line, at + 1, line.n - at - 2), UINT32_MAX, n);
}

/* The response so far is "* URLFETCH <url> {n}" or "* URLFETCH <url> (BINARY ~{n}": the literal is what we asked for. */
static bool is_body_next(struct imap_fetch *f)
{
    struct scan c = scan_make(buf_str(&f->response));
    CLEANUP(buf_release) struct buf word = BUF_INIT(RESPONSE_MOST);
    if (f->asked_count == 0 || !next_word(&c, &word) || !str_eq(buf_str(&word), STR("*"))
        || !next_word(&c, &word) || !str_eq_nocase(buf_str(&word), STR("URLFETCH"))
        || !next_word(&c, &word)) {
        return false;
    }
    (void)scan_accept_nocase(&c, STR("(BINARY "));
    (void)scan_accept(&c, '~');
    return scan_peek(&c) == '{' && is_in_order(f, buf_str(&word)) && !f->has_body;
}

static void start_literal(struct imap_fetch *f, uint64_t n)
{
    f->is_body = is_body_next(f);
    if (f->state == AT_FAILED) {
        return;
    }
    if (f->is_body && n > f->most) {
        /* RFC 5550, 4.4: the limit counts after expansion. Nothing of it is read: hang up. */
        fail(f, ERR_TOO_BIG);
    } else if (!f->is_body && n > LITERAL_MOST) {
        fail(f, ERR_UNREACHABLE);
    }
    f->has_body = f->has_body || f->is_body;
    f->is_body_done = f->is_body_done || f->is_body;
    f->body_end = f->is_body ? f->response.len : f->body_end;
    f->literal_left = n;
    if (!f->is_body) {
        buf_truncate(&f->response, str_find_last_char(buf_str(&f->response), '{'));
        buf_add(&f->response, n == 0 ? STR("\"\"") : STR("\""));
    }
}

/* Uses literal octets. True: there are octets for the owner. */
static bool take_literal(struct imap_fetch *f)
{
    struct str have = str_skip(buf_str(&f->in), f->in_at);
    size_t most = have.n < OCTETS_MOST ? have.n : OCTETS_MOST;
    have.n = f->literal_left < most ? (size_t)f->literal_left : most;
    f->literal_left -= have.n;
    f->in_at += have.n;
    if (f->is_body) {
        f->octets = have;
        return have.n > 0;
    }
    for (size_t i = 0; i < have.n; i++) {
        if (have.p[i] == '"' || have.p[i] == '\\') {
            buf_add_char(&f->response, '\\');
        }
        buf_add_char(&f->response, have.p[i]);
    }
    buf_add(&f->response, f->literal_left == 0 ? STR("\"") : STR_EMPTY);
    return false;
}

/* Takes one line of a response. False: it is not there yet. */
static bool take_line(struct imap_fetch *f)
{
    struct str have = str_skip(buf_str(&f->in), f->in_at);
    size_t n = str_find_char(have, '\n');
    if (n == have.n) {
        if (n > RESPONSE_MOST) {
            fail(f, ERR_UNREACHABLE);
        }
        return false;
    }
    f->in_at += n + 1;
    struct str line = str_sub(have, 0, n > 0 && have.p[n - 1] == '\r' ? n - 1 : n);
    buf_add(&f->response, line);
    uint64_t literal = 0;
    if (f->response.is_full) {
        fail(f, ERR_UNREACHABLE);
    } else if (is_literal(line, &literal)) {
        start_literal(f, literal);
    } else {
        take_response(f);
    }
    return true;
}

void imap_fetch_on_tls(struct imap_fetch *f)
{
    buf_clear(&f->in);
    f->in_at = 0;
    f->is_tls = true;
    ask_capability(f);
}

/* What the server says next is the owner's, who is not ready for it. */
static bool is_waiting(const struct imap_fetch *f)
{
    return f->state == AT_READY && f->asked_count > 0 && !f->is_open;
}

/* Uses some input. False: no more can be done now, or there is something to tell. */
static bool take_some(struct imap_fetch *f)
{
    if (f->state == AT_FAILED || f->state == AT_TLS || f->has_result || f->octets.n > 0
        || is_waiting(f)) {
        return false;
    }
    if (f->literal_left > 0) {
        return f->in_at < f->in.len && !take_literal(f);
    }
    return take_line(f);
}

/* A connection may be kept for long between two fetches. */
static void forget_buffers(struct imap_fetch *f)
{
    if (f->in_at == f->in.len) {
        buf_clear(&f->in);
        f->in_at = 0;
        buf_shrink(&f->in);
    }
    buf_release(&f->quoted);
    for (unsigned i = 0; i < IMAP_FETCH_ASKED_MOST; i++) {
        buf_release(&f->asked[i].url);
    }
}

static enum imap_fetch_want next(struct imap_fetch *f)
{
    f->octets = STR_EMPTY;
    while (take_some(f)) {
    }
    if (f->octets.n > 0) {
        return IMAP_FETCH_OCTETS;
    }
    if (f->state == AT_FAILED) {
        return IMAP_FETCH_FAILED;
    }
    if (f->has_result) {
        f->has_result = false;
        return IMAP_FETCH_RESULT;
    }
    if (f->state == AT_TLS) {
        return IMAP_FETCH_TLS;
    }
    if (is_waiting(f)) {
        return IMAP_FETCH_WAIT;
    }
    if (!imap_fetch_is_idle(f)) {
        return IMAP_FETCH_INPUT;
    }
    forget_buffers(f);
    return IMAP_FETCH_READY;
}

enum imap_fetch_want imap_fetch_step(struct imap_fetch *f, struct buf *out)
{
    enum imap_fetch_want want = next(f);
    buf_add(out, buf_str(&f->out));
    buf_clear(&f->out);
    return want;
}
