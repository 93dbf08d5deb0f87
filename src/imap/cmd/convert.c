/* CONVERT and UID CONVERT (RFC 5259, 6): a generator like FETCH, which waits where a conversion takes its time.
 *
 *     messages of the set --> data items of one message --> one part, one conversion
 *
 *     "* 2 CONVERTED (TAG "a") (UID 7 BINARY.SIZE[3] 4182 BINARY[3] ~{4182}" | octets of the result | ")"
 *
 * A result is found in the worker's cache, or made: the part is read window by window into a job (convert/service.h), the
 * session waits for the job (RUN_EVENT), and the other sessions of the worker go on. All data items of one part ask for one
 * conversion, so its result is kept over the command, whether the cache keeps it or not.
 *
 * What goes wrong with one part stands in its place in the response, and the command goes on. The tagged reply is NO when
 * nothing succeeded. Nothing in the mailbox changes, \Seen neither. */
#include "imap/cmd/list.h"

#include "imap/convert_item.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/walk.h"
#include "mime/header_recode.h"
#include "net/fields.h"
#include "wire/imap_write.h"

enum {
    MESSAGES_MOST = 100,
    PARTS_MOST = 20,
    TEXT_MOST = 8 * 1024 * 1024,
    HEADER_MOST = 1024 * 1024,
    KEY_MOST = 8 * 1024,
    PIECES_A_STEP = 8, /* read of a part before the neighbours have their turn */
    ITEMS_A_STEP = 4   /* written before that */
};

/* The message that is being written. */
struct convert_message {
    bool is_open;
    bool has_item; /* the response has one already */
    struct seq seq;
    struct message m;
    struct shape shape;
    uint32_t att; /* the next one, or that in progress */
};

struct convert_args {
    struct numset set;
    struct convert_atts atts;
    struct convert_wish wish;
    struct account *account;
    struct walk walk;
    struct convert_message open;
    struct arena *arena; /* of the open message */
    /* the conversion in progress, or done last */
    struct buf key;
    struct convert_item item;
    struct convert_source *source; /* NULL: all was read */
    struct convert_job *job;
    struct convert_result *result;
    /* the literal that is being sent, of result */
    size_t octets_at;
    size_t octets_left;
    struct buf text; /* written, not yet in the output */
    unsigned successes;
    unsigned failures;
    unsigned delays;  /* failures for now */
    enum err failure; /* why some message was left out */
};

/* ---- parsing ---- */

static void parse_convert(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct convert_args *args = arena_one(cmd->arena, struct convert_args);
    struct imap_convert_params params;
    cmd->args = args;
    buf_init(&args->text, TEXT_MOST);
    buf_init(&args->key, KEY_MOST);
    set_parse(s, cmd, c, &args->set);
    scan_sp(c);
    size_t start = c->at;
    scan_convert_params(c, cmd->arena, &params);
    if (scan_is_ok(c) && !params.is_default && !convert_is_type(params.target, false)) {
        c->at = start + 1;
        scan_fail(c, ERR_SYNTAX, "a media type or NIL");
    }
    scan_sp(c);
    scan_convert_atts(c, cmd->arena, &args->atts);
    struct convert_wish *wish = &args->wish;
    wish->is_default = params.is_default;
    wish->target = params.target;
    for (uint32_t i = 0; i < params.count && i < CONVERT_PARAMS_MOST; i++) {
        wish->params.at[wish->params.count++] =
            (struct convert_given){params.at[i].name, params.at[i].value};
    }
}

/* ---- limits (RFC 5259, 8.5) ---- */

static bool is_same_part(const struct section *a, const struct section *b)
{
    return a->depth == b->depth
           && (a->depth == 0 || memcmp(a->path, b->path, a->depth * sizeof(*a->path)) == 0);
}

static unsigned count_parts(const struct convert_atts *atts)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < atts->count; i++) {
        bool is_new = atts->at[i].kind != CONVERT_UID;
        for (uint32_t k = 0; k < i && is_new; k++) {
            is_new = atts->at[k].kind == CONVERT_UID
                     || !is_same_part(&atts->at[i].section, &atts->at[k].section);
        }
        count += is_new ? 1 : 0;
    }
    return count;
}

static size_t count_messages(const struct convert_args *args)
{
    struct walk w = args->walk;
    struct walk_run run;
    size_t count = 0;
    while (count <= MESSAGES_MOST && walk_next_run(&w, MESSAGES_MOST + 1, &run)) {
        count += run.count;
    }
    return count;
}

static enum err check_limits(struct cmd *cmd, const struct convert_args *args)
{
    if (count_messages(args) > MESSAGES_MOST) {
        buf_addf(&cmd->code, "MAXCONVERTMESSAGES %d", MESSAGES_MOST);
        return ERR_LIMIT;
    }
    if (count_parts(&args->atts) > PARTS_MOST) {
        buf_addf(&cmd->code, "MAXCONVERTPARTS %d", PARTS_MOST);
        return ERR_LIMIT;
    }
    return ERR_OK;
}

/* ---- one message ---- */

static void drop_conversion(struct convert_args *args)
{
    convert_source_free(&args->source);
    convert_job_free(&args->job);
    convert_result_unref(&args->result);
    buf_clear(&args->key);
}

static void close_message(struct convert_args *args)
{
    drop_conversion(args);
    args->open.is_open = false;
    if (args->arena != NULL) {
        arena_clear(args->arena);
    }
}

static enum err open_message(struct convert_args *args)
{
    struct convert_message *o = &args->open;
    struct str serialised;
    TRY(view_get(args->walk.view, o->seq, &o->m));
    TRY(account_get_shape(args->account, o->m.body_id, &serialised));
    if (args->arena == NULL) {
        args->arena = arena_new(SHAPE_ARENA_MOST + SHAPE_MOST);
    }
    return shape_parse(args->arena, arena_str(args->arena, serialised), &o->shape);
}

static struct buf *begin_item(struct convert_args *args)
{
    if (args->open.has_item) {
        buf_add_char(&args->text, ' ');
    }
    args->open.has_item = true;
    return &args->text;
}

static bool asks_for_uid(const struct cmd *cmd, const struct convert_args *args)
{
    bool asks = cmd->is_uid;
    for (uint32_t i = 0; i < args->atts.count; i++) {
        asks = asks || args->atts.at[i].kind == CONVERT_UID;
    }
    return asks;
}

static void begin_message(struct imap_session *s, struct cmd *cmd, struct convert_args *args)
{
    struct convert_message *o = &args->open;
    enum err e = open_message(args);
    if (e != ERR_OK) {
        close_message(args);
        args->failure = e == ERR_NOT_FOUND ? ERR_EXPUNGED : e;
        return;
    }
    o->is_open = true;
    o->has_item = false;
    o->att = 0;
    buf_add(&args->text, STR("* "));
    buf_add_u64(&args->text, s->has_uidonly ? o->m.uid.v : o->seq.v);
    buf_add(&args->text, STR(" CONVERTED (TAG "));
    imap_write_string(&args->text, cmd->tag);
    buf_add(&args->text, STR(") ("));
    if (asks_for_uid(cmd, args)) {
        struct buf *text = begin_item(args);
        buf_add(text, STR("UID "));
        buf_add_u64(text, o->m.uid.v);
    }
}

/* ---- failures ---- */

static void count_failure(struct convert_args *args, const struct convert_item *item)
{
    args->failures++;
    args->delays += item->is_temporary ? 1 : 0;
}

static void write_error(struct convert_args *args, const struct convert_att *att,
                        const struct convert_item *item)
{
    struct buf *text = begin_item(args);
    convert_att_write(text, att);
    buf_add_char(text, ' ');
    convert_item_write_error(text, item);
    count_failure(args, item);
}

/* ---- headers ---- */

/* Reads the header that the item names and writes it in the charset. */
static enum err recode_header(struct convert_args *args, const struct convert_att *att,
                              const struct convert_settings *settings, struct buf *out)
{
    struct header_charset charset = {
        .name = settings->charset,
        .has_replacement = (settings->given & PARAM_REPLACEMENT) != 0,
        .replacement = settings->replacement,
    };
    CLEANUP(buf_release) struct buf header = BUF_INIT(HEADER_MOST);
    TRY(convert_source_read_header(args->account, args->open.m.body_id, &args->open.shape,
                                   &att->section, &header));
    return header_recode(buf_str(&header), &charset, out);
}

static enum err write_header(struct convert_args *args, const struct convert_att *att)
{
    struct convert_item item;
    convert_item_find_header(&args->wish, &item);
    if (item.why != NULL) {
        write_error(args, att, &item);
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf header = BUF_INIT(2 * HEADER_MOST);
    enum err e = recode_header(args, att, &item.settings, &header);
    if (e == ERR_IO || e == ERR_CORRUPT) {
        return e;
    }
    if (e != ERR_OK) {
        item.from = e == ERR_NO_PART ? STR_EMPTY : item.from;
        convert_item_fail(&item, e,
                          e == ERR_NO_PART      ? "No such header"
                          : e == ERR_CONVERSION ? "The charset lacks characters of the header"
                                                : "The header is too large");
        write_error(args, att, &item);
        return ERR_OK;
    }
    struct buf *text = begin_item(args);
    convert_att_write(text, att);
    buf_add_char(text, ' ');
    imap_write_literal_head(text, header.len, false);
    buf_add(text, buf_str(&header));
    args->successes++;
    return ERR_OK;
}

/* ---- conversions ---- */

/* What the result depends on: the octets, which never change, where the part is, what it becomes. */
static void write_key(struct convert_args *args, const struct convert_att *att,
                      const struct convert_item *item, struct buf *out)
{
    const struct message *m = &args->open.m;
    fields_add(out, STR("user"), account_get_user(args->account));
    fields_add_u64(out, STR("body"), m->body_id);
    fields_add_u64(out, STR("validity"), view_get_uidvalidity(args->walk.view));
    fields_add_u64(out, STR("uid"), m->uid.v);
    for (uint32_t i = 0; i < att->section.depth; i++) {
        buf_addf(out, "%u.", att->section.path[i]);
    }
    buf_addf(out, "\n%.*s %.*s\n", STR_ARG(item->pair.from), STR_ARG(item->pair.to));
    convert_settings_write(out, &item->settings);
}

/* Begins the conversion that args->key stands for. */
static enum err begin_job(struct imap_session *s, struct convert_args *args)
{
    const struct convert_item *item = &args->item;
    struct convert_job_args job = {
        .pair = item->pair,
        .settings = item->settings,
        .charset = param_find(&item->part->params, STR("charset")),
        .user = s->args.user,
        .session_host = s->args.session_host,
    };
    TRY(convert_job_new(args->wish.service, &job, &args->job));
    return convert_source_new(args->account, args->open.m.body_id, item->part, &args->source);
}

/* Failures that are ours, not the part's: the command ends with them. */
static bool is_ours(enum err e)
{
    return e == ERR_IO || e == ERR_CORRUPT || e == ERR_NOT_FOUND;
}

/* The job ended: r (taken), or nothing for now. */
static enum step end_job(struct convert_args *args, enum err e, struct convert_result *r)
{
    convert_source_free(&args->source);
    convert_job_free(&args->job);
    if (e != ERR_OK) {
        r = convert_result_new(
            e, e == ERR_UNAVAILABLE ? "Not possible now; try again" : "It cannot be decoded",
            STR_EMPTY);
    } else if (convert_cache_put(convert_service_get_cache(args->wish.service), buf_str(&args->key),
                                 r)
               != ERR_OK) {
        convert_result_unref(&r);
        r = convert_result_new(ERR_MODIFIED, "The conversion has changed", STR_EMPTY);
    }
    args->result = r;
    return STEP_DONE;
}

/* Gives the job the part's octets, a few pieces a call. STEP_BAD: *e says why. */
static enum step feed_job(struct imap_session *s, struct convert_args *args, enum err *e)
{
    for (unsigned i = 0; args->source != NULL; i++) {
        struct str octets;
        bool is_last = false;
        enum step step = convert_job_check(args->job);
        if (step == STEP_MORE) {
            return STEP_MORE;
        }
        if (step == STEP_BAD) {
            convert_source_free(&args->source);
            return STEP_DONE;
        }
        if (i == PIECES_A_STEP) {
            session_wake(s);
            return STEP_MORE;
        }
        *e = convert_source_read(args->source, &octets, &is_last);
        if (*e != ERR_OK) {
            return STEP_BAD;
        }
        convert_job_add(args->job, octets, is_last);
        if (is_last) {
            convert_source_free(&args->source);
        }
    }
    return STEP_DONE;
}

static enum step step_job(struct imap_session *s, struct convert_args *args, enum err *e)
{
    struct convert_result *r = NULL;
    enum step step = feed_job(s, args, e);
    if (step != STEP_DONE) {
        return step;
    }
    step = convert_job_get(args->job, &r);
    if (step == STEP_MORE) {
        return STEP_MORE;
    }
    return end_job(args, step == STEP_BAD ? ERR_UNAVAILABLE : ERR_OK, r);
}

/* Begins with another data item: finds its conversion, and its result if there is one already. */
static enum step begin_conversion(struct imap_session *s, struct convert_args *args,
                                  const struct convert_att *att, enum err *e)
{
    struct convert_item item;
    convert_item_find(&args->wish, &args->open.shape, &att->section, args->arena, &item);
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    if (item.why == NULL) {
        write_key(args, att, &item, &key);
    }
    bool is_done = args->result != NULL && str_eq(buf_str(&key), buf_str(&args->key));
    args->item = item;
    if (is_done || item.why != NULL) {
        return STEP_DONE;
    }
    drop_conversion(args);
    buf_add(&args->key, buf_str(&key));
    args->result =
        convert_cache_find(convert_service_get_cache(args->wish.service), buf_str(&args->key));
    if (args->result != NULL) {
        return STEP_DONE;
    }
    *e = begin_job(s, args);
    if (is_ours(*e)) {
        return STEP_BAD;
    }
    return *e == ERR_OK ? STEP_MORE : end_job(args, *e, NULL);
}

/* ---- data items ---- */

/* Begins the literal of BINARY; its octets are sent by send_octets(). */
static void write_binary(struct convert_args *args, const struct convert_att *att, struct buf *text)
{
    struct str octets = buf_str(&args->result->octets);
    if (att->has_partial) {
        size_t from = att->partial.offset < octets.n ? (size_t)att->partial.offset : octets.n;
        uint64_t length = att->partial.length;
        octets = str_sub(octets, from, length < octets.n ? (size_t)length : octets.n);
    }
    bool has_nul = str_find_char(octets, '\0') < octets.n;
    imap_write_literal_head(text, octets.n, has_nul);
    args->octets_at = octets.n == 0 ? 0 : (size_t)(octets.p - args->result->octets.p);
    args->octets_left = octets.n;
}

static void write_converted(struct convert_args *args, const struct convert_att *att)
{
    const struct convert_result *r = args->result;
    if (args->item.why == NULL && r->err != ERR_OK) {
        convert_item_fail(&args->item, r->err, r->why);
    }
    if (args->item.why != NULL) {
        write_error(args, att, &args->item);
        return;
    }
    struct buf *text = begin_item(args);
    convert_att_write(text, att);
    buf_add_char(text, ' ');
    args->successes++;
    if (att->kind == CONVERT_BINARY_SIZE) {
        buf_add_u64(text, r->octets.len);
    } else if (att->kind == CONVERT_BODYPARTSTRUCTURE) {
        convert_item_write_structure(text, &args->item, r, args->arena);
    } else {
        write_binary(args, att, text);
    }
}

static void write_available(struct convert_args *args, const struct convert_att *att)
{
    struct convert_item item;
    struct buf *text = begin_item(args);
    convert_item_find(&args->wish, &args->open.shape, &att->section, args->arena, &item);
    convert_att_write(text, att);
    buf_add_char(text, ' ');
    if (convert_item_write_available(text, &item)) {
        args->successes++;
    } else {
        count_failure(args, &item);
    }
}

/* Goes on with the data item. STEP_MORE: it waits. STEP_BAD: *e ends the command. */
static enum step step_att(struct imap_session *s, struct convert_args *args, enum err *e)
{
    const struct convert_att *att = &args->atts.at[args->open.att];
    enum step step = STEP_DONE;
    if (att->kind == CONVERT_HEADER || att->kind == CONVERT_MIME) {
        *e = write_header(args, att);
        step = *e == ERR_OK ? STEP_DONE : STEP_BAD;
    } else if (att->kind == CONVERT_AVAILABLECONVERSIONS) {
        write_available(args, att);
    } else if (att->kind != CONVERT_UID) {
        if (args->job == NULL) {
            step = begin_conversion(s, args, att, e);
        }
        if (args->job != NULL) {
            step = step_job(s, args, e);
        }
        if (step == STEP_DONE) {
            write_converted(args, att);
        }
    }
    args->open.att += step == STEP_DONE ? 1 : 0;
    return step;
}

/* ---- the command ---- */

/* Moves what is written to the output; STEP_MORE when that is full for now. */
static enum step drain(struct convert_args *args, struct buf *out)
{
    size_t room = out->len < SESSION_OUTPUT_MOST ? SESSION_OUTPUT_MOST - out->len : 0;
    struct str part = str_sub(buf_str(&args->text), 0, room);
    buf_add(out, part);
    buf_consume(&args->text, part.n);
    if (args->text.len > 0) {
        return STEP_MORE;
    }
    room -= part.n;
    if (args->octets_left > 0) {
        part = str_sub(str_sub(buf_str(&args->result->octets), args->octets_at, args->octets_left),
                       0, room);
        buf_add(out, part);
        args->octets_at += part.n;
        args->octets_left -= part.n;
    }
    return args->octets_left > 0 || out->len >= SESSION_OUTPUT_MOST ? STEP_MORE : STEP_DONE;
}

static enum run end_convert(struct cmd *cmd, const struct convert_args *args)
{
    if (args->failure != ERR_OK && !(cmd->is_uid && args->failure == ERR_EXPUNGED)) {
        cmd->err = args->failure;
    } else if (args->successes == 0 && args->failures > 0) {
        cmd->err = args->delays == args->failures ? ERR_CONVERT_LATER : ERR_NOT_CONVERTED;
    }
    return RUN_DONE;
}

static enum run begin_convert(struct imap_session *s, struct cmd *cmd)
{
    struct convert_args *args = cmd->args;
    args->account = mailbox_get_account(s->selected.mailbox);
    args->wish.service = s->args.host->convert;
    walk_init(&args->walk, s->selected.known, &args->set, cmd->is_uid);
    cmd->err = args->wish.service == NULL ? ERR_CONVERT_LATER : check_limits(cmd, args);
    cmd->phase = 1;
    return cmd->err == ERR_OK ? RUN_MORE : RUN_DONE;
}

static enum run run_convert(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct convert_args *args = cmd->args;
    if (cmd->phase == 0 && begin_convert(s, cmd) == RUN_DONE) {
        return RUN_DONE;
    }
    for (unsigned i = 0; i < ITEMS_A_STEP && drain(args, out) == STEP_DONE;) {
        if (!args->open.is_open) {
            if (!walk_next(&args->walk, &args->open.seq)) {
                return end_convert(cmd, args);
            }
            begin_message(s, cmd, args);
        } else if (args->open.att == args->atts.count) {
            buf_add(&args->text, STR(")\r\n"));
            close_message(args);
        } else {
            enum err e = ERR_OK;
            i++;
            enum step step = step_att(s, args, &e);
            if (step == STEP_MORE) {
                return RUN_EVENT;
            }
            if (step == STEP_BAD || buf_err(&args->text) != ERR_OK) {
                s->is_broken = true; /* amid a response: nothing else could be understood */
                return RUN_DONE;
            }
        }
    }
    return RUN_MORE;
}

static void release_convert(struct cmd *cmd)
{
    struct convert_args *args = cmd->args;
    close_message(args);
    numset_release(&args->set);
    buf_release(&args->key);
    buf_release(&args->text);
    arena_free(&args->arena);
}

const struct command command_convert = {
    .name = STR("CONVERT"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "CONVERT",
    .parse = parse_convert,
    .run = run_convert,
    .release = release_convert,
};
