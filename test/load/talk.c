/* What a client says until it is where it wants to be.
 *
 *     IMAP         greeting, [STARTTLS], AUTHENTICATE, [COMPRESS], then nothing | SELECT, IDLE | APPEND
 *     submission   greeting, EHLO, [STARTTLS, EHLO], AUTH
 *
 * Each step waits for one line that it knows; other untagged lines are passed over. It exists only while it lasts.
 *
 * With COMPRESS what we say goes out in stored blocks (RFC 1951, 3.2.4), which need no compressor. What the server says is inflated here
 * as long as the talk lasts; how it is read afterwards is dormant.c's business. */
#include "load.h"

#include "base/base64.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { LINE_MOST = 4096, SAY_MOST = 2048, NAME_MOST = 64 };

enum talk_step {
    AT_GREETING,
    AT_EHLO,
    AT_STARTTLS,
    AT_HANDSHAKE,
    AT_CHALLENGE,
    AT_LOGIN, /* the answer to the last message of ours */
    AT_COMPRESS,
    AT_SELECT,
    AT_IDLE,
    AT_APPEND
};

static const char *const STEPS[] = {"greeting", "EHLO",     "STARTTLS", "TLS",  "challenge",
                                    "login",    "COMPRESS", "SELECT",   "IDLE", "APPEND"};

struct talk {
    enum talk_step step;
    enum talk_goal goal;
    unsigned user;
    bool is_compressed;
    struct scram scram;
    z_stream *inflater; /* NULL: none */
    size_t len;
    char line[LINE_MOST];
};

void talk_start(struct load *l, struct client *c, enum talk_goal goal, unsigned user)
{
    (void)l;
    c->talk = mem_new(sizeof(*c->talk));
    c->talk->goal = goal;
    c->talk->user = user;
}

void talk_end(struct client *c)
{
    if (c->talk != NULL && c->talk->inflater != NULL) {
        (void)inflateEnd(c->talk->inflater);
        free(c->talk->inflater);
    }
    free(c->talk);
    c->talk = NULL;
}

const char *talk_get_line(const struct client *c)
{
    return c->talk == NULL ? "" : c->talk->line;
}

const char *talk_get_step(const struct client *c)
{
    return c->talk == NULL ? "none" : STEPS[c->talk->step];
}

static enum talk_result say(struct load *l, struct client *c, struct str line)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(SAY_MOST + 8);
    if (c->talk->is_compressed) {
        buf_add_char(&b, '\0'); /* a stored block, not the last one */
        buf_add_le16(&b, (uint16_t)line.n);
        buf_add_le16(&b, (uint16_t)~line.n);
    }
    buf_add(&b, line);
    return engine_send(l, c, buf_str(&b)) == b.len ? TALK_GOES_ON : TALK_FAILED;
}

static enum talk_result step_to(struct load *l, struct client *c, enum talk_step step,
                                struct str line)
{
    c->talk->step = step;
    return say(l, c, line);
}

static struct str write_user(const struct load *l, const struct client *c, char name[NAME_MOST])
{
    (void)snprintf(name, NAME_MOST, "%s%u", l->options.user, c->talk->user);
    return str_from_c(name);
}

static enum talk_result say_login(struct load *l, struct client *c)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(SAY_MOST);
    CLEANUP(buf_release) struct buf plain = BUF_INIT(SAY_MOST);
    const struct load_options *o = &l->options;
    char name[NAME_MOST];
    struct str user = write_user(l, c, name);
    buf_add_c(&b, o->is_submission ? "AUTH " : "a AUTHENTICATE ");
    if (o->is_plain) {
        buf_add_char(&plain, '\0');
        buf_add(&plain, user);
        buf_add_char(&plain, '\0');
        buf_add_c(&plain, o->password);
        buf_add_c(&b, "PLAIN ");
        base64_write(&b, buf_str(&plain));
    } else {
        buf_add_c(&b, "SCRAM-SHA-256 ");
        scram_start(&c->talk->scram, user, &b);
    }
    buf_add_c(&b, "\r\n");
    return step_to(l, c, o->is_plain ? AT_LOGIN : AT_CHALLENGE, buf_str(&b));
}

static enum talk_result say_proof(struct load *l, struct client *c, struct str challenge)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(SAY_MOST);
    char name[NAME_MOST];
    struct str user = write_user(l, c, name);
    if (!scram_answer(&c->talk->scram, user, str_from_c(l->options.password), challenge,
                      &l->keys[c->talk->user], &b)) {
        return TALK_FAILED;
    }
    buf_add_c(&b, "\r\n");
    return step_to(l, c, AT_LOGIN, buf_str(&b));
}

static enum talk_result say_goal(struct load *l, struct client *c)
{
    static const struct str LETTER =
        STR("a APPEND INBOX {64+}\r\n"
            "From: a@example.org\r\nSubject: news\r\n\r\nSomething that happened.\r\n\r\n");
    if (c->talk->goal == TALK_LOGIN) {
        return TALK_DONE;
    }
    return c->talk->goal == TALK_IDLE ? step_to(l, c, AT_SELECT, STR("a SELECT INBOX\r\n"))
                                      : step_to(l, c, AT_APPEND, LETTER);
}

static enum talk_result on_logged_in(struct load *l, struct client *c)
{
    if (l->options.is_compressed && c->talk->goal == TALK_IDLE) {
        return step_to(l, c, AT_COMPRESS, STR("a COMPRESS DEFLATE\r\n"));
    }
    return say_goal(l, c);
}

static enum talk_result on_compressed(struct load *l, struct client *c)
{
    struct talk *t = c->talk;
    t->is_compressed = true;
    t->inflater = mem_new(sizeof(*t->inflater));
    if (inflateInit2(t->inflater, -MAX_WBITS) != Z_OK) {
        return TALK_FAILED;
    }
    return say_goal(l, c);
}

static enum talk_result start_tls(struct load *l, struct client *c)
{
    c->talk->step = AT_HANDSHAKE;
    engine_start_tls(l, c);
    return TALK_GOES_ON; /* c may be closed */
}

enum talk_result talk_on_tls(struct load *l, struct client *c)
{
    return l->options.is_submission ? step_to(l, c, AT_EHLO, STR("EHLO load\r\n"))
                                    : say_login(l, c);
}

/* The answer that a step waits for: the tagged line, the last line of a reply. False: another one. */
static bool is_answer(const struct load *l, struct str line)
{
    return l->options.is_submission ? line.n >= 4 && line.p[3] == ' ' : str_starts(line, STR("a "));
}

static bool is_good(const struct load *l, struct str line)
{
    return l->options.is_submission ? line.p[0] == '2' : str_starts(line, STR("a OK"));
}

static enum talk_result on_greeting(struct load *l, struct client *c, struct str line)
{
    const struct load_options *o = &l->options;
    if (o->is_submission) {
        return str_starts(line, STR("220 ")) ? step_to(l, c, AT_EHLO, STR("EHLO load\r\n"))
                                             : TALK_FAILED;
    }
    if (!str_starts(line, STR("* OK"))) {
        return TALK_FAILED;
    }
    return o->is_tls ? step_to(l, c, AT_STARTTLS, STR("a STARTTLS\r\n")) : say_login(l, c);
}

/* A challenge; IMAP's has "+", submission's 334. */
static bool is_challenge(const struct load *l, struct str line, struct str *data)
{
    struct str mark = l->options.is_submission ? STR("334 ") : STR("+ ");
    *data = str_skip(line, mark.n);
    return str_starts(line, mark);
}

static enum talk_result on_answer(struct load *l, struct client *c)
{
    switch (c->talk->step) {
    case AT_EHLO:
        return l->options.is_tls && c->ssl == NULL ? step_to(l, c, AT_STARTTLS, STR("STARTTLS\r\n"))
                                                   : say_login(l, c);
    case AT_STARTTLS:
        return start_tls(l, c);
    case AT_LOGIN:
        return on_logged_in(l, c);
    case AT_COMPRESS:
        return on_compressed(l, c);
    case AT_SELECT:
        return step_to(l, c, AT_IDLE, STR("a IDLE\r\n"));
    case AT_APPEND:
        return TALK_DONE;
    case AT_GREETING:
    case AT_HANDSHAKE:
    case AT_CHALLENGE:
    case AT_IDLE:
    default:
        return TALK_FAILED;
    }
}

static enum talk_result on_line(struct load *l, struct client *c, struct str line)
{
    struct str data;
    if (c->talk->step == AT_GREETING) {
        return on_greeting(l, c, line);
    }
    if (is_challenge(l, line, &data)) {
        if (c->talk->step == AT_CHALLENGE) {
            return say_proof(l, c, data);
        }
        if (c->talk->step == AT_LOGIN) {
            return say(l, c, STR("\r\n")); /* the server's signature */
        }
        return c->talk->step == AT_IDLE ? TALK_DONE : TALK_FAILED;
    }
    if (!is_answer(l, line)) {
        return str_starts(line, STR("* BYE")) ? TALK_FAILED : TALK_GOES_ON;
    }
    if (!is_good(l, line)) {
        c->talk->line[line.n] = '\0'; /* line is the beginning of it */
        return TALK_FAILED;
    }
    return on_answer(l, c);
}

static enum talk_result take_plain(struct load *l, struct client *c, struct str octets)
{
    enum talk_result r = TALK_GOES_ON;
    for (size_t i = 0; i < octets.n && r == TALK_GOES_ON; i++) {
        struct talk *t = c->talk;
        if (t == NULL || t->step == AT_HANDSHAKE) {
            break; /* closed, or TLS goes on from here */
        }
        if (octets.p[i] != '\n') {
            t->line[t->len] = octets.p[i];
            t->len += t->len < LINE_MOST - 1 ? 1 : 0;
            continue;
        }
        size_t n = t->len;
        t->len = 0;
        r = on_line(l, c, str_make(t->line, n - (n > 0 && t->line[n - 1] == '\r' ? 1 : 0)));
    }
    return r;
}

/* All that comes in one read is inflated: the server's answers are small here. */
static enum talk_result take_packed(struct load *l, struct client *c, struct str octets)
{
    unsigned char plain[LINE_MOST];
    z_stream *z = c->talk->inflater;
    union {
        const char *in;
        unsigned char *out;
    } p = {octets.p}; /* inflate() only reads it */
    enum talk_result r = TALK_GOES_ON;
    z->next_in = p.out;
    z->avail_in = (unsigned)octets.n;
    while (r == TALK_GOES_ON) {
        z->next_out = plain;
        z->avail_out = sizeof(plain);
        int result = inflate(z, Z_SYNC_FLUSH);
        size_t got = sizeof(plain) - z->avail_out;
        if (result != Z_OK && result != Z_BUF_ERROR) {
            return TALK_FAILED;
        }
        if (got == 0) {
            break;
        }
        r = take_plain(l, c, str_make((const char *)plain, got));
    }
    return r;
}

enum talk_result talk_take(struct load *l, struct client *c, struct str octets)
{
    return c->talk->is_compressed ? take_packed(l, c, octets) : take_plain(l, c, octets);
}
