/* Conversions for a worker's sessions.
 *
 *     text:   octets -> text_conversion ------------------------------------> result
 *     others: octets -> link -> convert role -> "ok" LF octets | "no" ... --> result (a tool's text: text_conversion)
 *
 * What goes over the link is flow controlled both ways: a worker holds one piece of a part and what has come of the result,
 * which is bounded. The role answers with one line and the octets:
 *
 *     ok <size> LF octets
 *     no LF               it cannot be done: the same request would fail again
 *     busy LF             not now: too many wait, or it took too long
 *
 * A link that breaks means "not now", too: the session asks for the part again or not, as it likes.
 *
 * A client that does not read holds its result. What all results hold, and jobs that are under way, is counted; beyond the cache and
 * HELD_RESULTS of the largest kind, new ones are "not now". */
#include "convert/service.h"

#include "base/mem.h"
#include "convert/text.h"
#include "net/fields.h"
#include "net/link.h"

#include <stdlib.h>

enum { LINE_MOST = 64, TEXT_A_STEP = 256 * 1024, HELD_RESULTS = 16 };

struct convert_service {
    struct convert_service_config config;
    struct convert_cache *cache;
    unsigned tools;
    size_t held; /* octets of results and of jobs */
};

struct convert_job {
    struct convert_service *service;
    struct session_host session_host;
    struct text_conversion *text; /* NULL: none is to be done */
    struct stream *stream;        /* NULL: the worker does it itself */
    struct buf in;                /* of the role's answer */
    struct buf out;               /* the result */
    uint64_t size;                /* octets given */
    size_t held;                  /* octets of in and out that the service counts */
    enum err err;                 /* why it failed; ERR_UNAVAILABLE: for now */
    bool is_complete;             /* all octets were given */
    bool is_ended;                /* the role has said everything */
    bool is_answered;             /* its line was read and taken off in */
    size_t in_at;                 /* so much of in is in the text */
};

/* ---- the service ---- */

struct convert_service *convert_service_new(const struct convert_service_config *c)
{
    struct convert_service *s = mem_new(sizeof(*s));
    s->config = *c;
    s->cache = convert_cache_new(c->cache_most);
    return s;
}

void convert_service_free(struct convert_service **s)
{
    if (*s == NULL) {
        return;
    }
    convert_cache_free(&(*s)->cache);
    free(*s);
    *s = NULL;
}

void convert_service_set_tools(struct convert_service *s, unsigned tools)
{
    s->tools = tools;
}

unsigned convert_service_get_tools(const struct convert_service *s)
{
    return s->tools;
}

struct convert_cache *convert_service_get_cache(struct convert_service *s)
{
    return s->cache;
}

static bool takes_all(const struct convert_params *p, const struct convert_pair *pair)
{
    struct convert_settings settings;
    return convert_params_read(p, pair, &settings) == 0;
}

static struct str get_configured(const struct convert_service *s, struct str from)
{
    if (str_starts_nocase(from, STR("image/"))) {
        return s->config.default_image;
    }
    return str_starts_nocase(from, STR("audio/")) ? s->config.default_audio : STR_EMPTY;
}

bool convert_service_find_default(const struct convert_service *s, struct str from,
                                  const struct convert_params *p, struct convert_pair *out)
{
    struct convert_pair pair;
    struct str configured = get_configured(s, from);
    bool is_found = false;
    if (configured.n > 0 && convert_find(s->tools, from, configured, &pair)
        && takes_all(p, &pair)) {
        *out = pair;
        return true;
    }
    bool takes = false;
    for (size_t at = 0; convert_next_pair(&at, &pair);) {
        if (!str_eq_nocase(pair.from, from) || !convert_has(s->tools, &pair)) {
            continue;
        }
        /* text is for reading: what can become text/plain becomes that */
        bool is_better = !is_found || (!takes && takes_all(p, &pair))
                         || (str_eq(pair.to, STR("text/plain")) && takes_all(p, &pair));
        if (is_better) {
            *out = pair;
            takes = takes_all(p, &pair);
        }
        is_found = true;
    }
    return is_found;
}

/* ---- the role's answer ---- */

static void wake(struct convert_job *j)
{
    j->session_host.wake(j->session_host.owner);
}

static void count_held(struct convert_job *j)
{
    size_t now = j->in.len + j->out.len;
    j->service->held += now - j->held;
    j->held = now;
}

static bool is_full(const struct convert_service *s)
{
    const struct convert_service_config *c = &s->config;
    return s->held > c->cache_most + HELD_RESULTS * c->output_most;
}

static void on_octets(void *owner, struct str octets)
{
    struct convert_job *j = owner;
    buf_add(&j->in, octets);
    count_held(j);
    if (j->in.is_full) {
        j->err = ERR_LIMIT;
        stream_free(&j->stream);
        j->is_ended = true;
        wake(j);
    }
}

static void on_drained(void *owner)
{
    wake(owner);
}

static void on_end(void *owner, enum err why)
{
    struct convert_job *j = owner;
    (void)why; /* an answer that broke off is seen by its size */
    j->is_ended = true;
    wake(j);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

/* Reads the line and takes it off: what follows are the octets. Errors: ERR_UNSUPPORTED, ERR_UNAVAILABLE. */
static enum err read_answer(struct convert_job *j)
{
    struct str all = buf_str(&j->in);
    size_t line_end = str_find_char(all, '\n');
    struct str line = str_sub(all, 0, line_end);
    uint64_t size = 0;
    if (line_end == all.n || line.n > LINE_MOST) {
        return ERR_UNAVAILABLE;
    }
    if (str_eq(line, STR("no"))) {
        return ERR_UNSUPPORTED;
    }
    if (!str_starts(line, STR("ok ")) || !str_to_u64(str_skip(line, 3), INT64_MAX, &size)
        || size != all.n - line_end - 1) {
        return ERR_UNAVAILABLE;
    }
    buf_consume(&j->in, line_end + 1);
    return ERR_OK;
}

/* ---- a job ---- */

static enum err open_role(struct convert_job *j, const struct convert_job_args *args)
{
    const struct convert_service_config *c = &j->service->config;
    CLEANUP(buf_release) struct buf head = BUF_INIT(LINK_OPEN_MOST);
    fields_add(&head, STR("service"), STR("convert"));
    fields_add(&head, STR("user"), args->user);
    fields_add(&head, STR("tool"), str_from_c(convert_tool_name(args->pair.tool)));
    fields_add(&head, STR("from"), args->pair.from);
    fields_add(&head, STR("to"), args->pair.to);
    convert_settings_write_fields(&head, &args->settings);
    if (c->open == NULL || buf_err(&head) != ERR_OK) {
        return ERR_UNAVAILABLE;
    }
    j->stream = c->open(c->owner, buf_str(&head));
    if (j->stream == NULL) {
        return ERR_UNAVAILABLE;
    }
    stream_set_handler(j->stream, &HANDLER, j);
    return ERR_OK;
}

enum err convert_job_new(struct convert_service *s, const struct convert_job_args *args,
                         struct convert_job **out)
{
    if (is_full(s)) {
        return ERR_UNAVAILABLE;
    }
    struct convert_job *j = mem_new(sizeof(*j));
    enum convert_text text = args->pair.text;
    enum err e = ERR_OK;
    j->service = s;
    j->session_host = args->session_host;
    buf_init(&j->in, (size_t)s->config.output_most + LINE_MOST);
    buf_init(&j->out, (size_t)s->config.output_most);
    if (text != TEXT_NONE) {
        struct str charset = text == TEXT_RESULT ? STR("utf-8") : args->charset;
        e = text_conversion_new(text, charset, &args->settings, &j->text);
    }
    if (e == ERR_OK && args->pair.tool != TOOL_HERE) {
        e = open_role(j, args);
    }
    if (e != ERR_OK) {
        convert_job_free(&j);
        return e;
    }
    *out = j;
    return ERR_OK;
}

void convert_job_free(struct convert_job **j)
{
    if (*j == NULL) {
        return;
    }
    if ((*j)->stream != NULL) {
        stream_free(&(*j)->stream);
    }
    text_conversion_free(&(*j)->text);
    (*j)->service->held -= (*j)->held;
    buf_release(&(*j)->in);
    buf_release(&(*j)->out);
    free(*j);
    *j = NULL;
}

enum step convert_job_check(const struct convert_job *j)
{
    if (j->err != ERR_OK || j->is_ended) {
        return STEP_BAD;
    }
    bool is_full = j->stream != NULL && stream_get_queued(j->stream) > STREAM_HIGH_WATER;
    return is_full ? STEP_MORE : STEP_DONE;
}

void convert_job_add(struct convert_job *j, struct str octets, bool is_last)
{
    j->size += octets.n;
    j->is_complete = is_last;
    if (j->size > j->service->config.input_most) {
        j->err = ERR_TOO_BIG;
    } else if (j->stream == NULL) {
        j->err = text_conversion_add(j->text, octets, is_last, &j->out);
        count_held(j);
        j->err = j->err == ERR_OK && is_full(j->service) ? ERR_UNAVAILABLE : j->err;
    } else {
        stream_write(j->stream, octets);
        if (is_last) {
            stream_shutdown(j->stream);
        }
    }
}

/* A tool's text becomes the text that was asked for; in portions, for it may be large. */
static enum step convert_text(struct convert_job *j)
{
    struct str left = str_skip(buf_str(&j->in), j->in_at);
    struct str piece = str_sub(left, 0, TEXT_A_STEP);
    bool is_last = piece.n == left.n;
    j->in_at += piece.n;
    j->err = text_conversion_add(j->text, piece, is_last, &j->out);
    count_held(j);
    if (j->err != ERR_OK || is_last) {
        return STEP_DONE;
    }
    wake(j);
    return STEP_MORE;
}

/* The answer is complete: makes the result of it. */
static enum step finish(struct convert_job *j)
{
    if (j->stream == NULL || j->err != ERR_OK) {
        return STEP_DONE;
    }
    if (!j->is_answered) {
        j->is_answered = true;
        j->err = read_answer(j);
    }
    return j->err == ERR_OK && j->text != NULL ? convert_text(j) : STEP_DONE;
}

static const char *find_why(enum err e)
{
    switch ((int)e) {
    case ERR_OK:
        return NULL;
    case ERR_TOO_BIG:
        return "Too large to be converted";
    case ERR_LIMIT:
        return "The result would be too large";
    case ERR_BAD_CHARSET:
        return "The charset of the part is not known";
    case ERR_BAD_PARAM:
        return "The parameters cannot be honoured";
    case ERR_CONVERSION:
        return "The charset lacks characters of the part";
    default:
        return "The part cannot be converted";
    }
}

enum step convert_job_get(struct convert_job *j, struct convert_result **out)
{
    if (j->stream != NULL && !j->is_ended && j->err == ERR_OK) {
        return STEP_MORE;
    }
    if (finish(j) == STEP_MORE) {
        return STEP_MORE;
    }
    if (j->err == ERR_UNAVAILABLE || (j->err == ERR_OK && !j->is_complete)) {
        return STEP_BAD;
    }
    bool is_moved = j->stream != NULL && j->text == NULL;
    struct str octets = j->err != ERR_OK ? STR_EMPTY : buf_str(is_moved ? &j->in : &j->out);
    *out = convert_result_new(j->err, find_why(j->err), octets);
    (*out)->held = &j->service->held;
    j->service->held += octets.n;
    return STEP_DONE;
}
