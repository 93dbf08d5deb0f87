/* FETCH and UID FETCH (RFC 3501, 6.4.5; RFC 7162, 3.1.4 and 3.2.6): a generator with bounded memory.
 *
 *     messages of the set            items of one message
 *     -------------------            ---------------------------------------------
 *     walk over the known view  -->  "* 7 FETCH (UID 12 ENVELOPE (...) BODY[] {n}" | octets, piece by piece | ")"
 *
 * What asks for hot columns only (UID, FLAGS, MODSEQ) goes by runs of a page through line_write(). Otherwise one message
 * is open at a time: its columns, its shape, a reader of its octets; text is gathered up to the next literal, the literal
 * streams from the store, and a client that does not read holds just that. A message is opened before anything of its
 * response is written, so one that cannot be read (expunged by somebody, or damaged) is left out whole; the tagged
 * reply then says so. BINARY[...] is measured, then decoded while it is sent (binary.h), and a PREVIEW is made when its turn
 * comes (preview_run.h): either may take several calls before there is a word to write.
 *
 * Numbers and flags are those of the view the client knows; newer ones follow as news. BODY[...] without PEEK sets \Seen:
 * before, in one commit for all messages of the command; the responses show it.
 */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/event.h"
#include "imap/fetch.h"
#include "imap/limit.h"
#include "imap/line.h"
#include "imap/preview_run.h"
#include "imap/resync.h"
#include "imap/section.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/structure.h"
#include "imap/walk.h"
#include "store/object.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum {
    TEXT_MOST = 64 * 1024 * 1024,
    READ_SIZE = 16 * 1024,
    BETWEEN_OUTPUT = SESSION_OUTPUT_MOST / 2 /* worth a stop between messages */
};

/* What the attributes need of a message. */
enum need { NEED_COLD = 1, NEED_SHAPE = 2, NEED_OCTETS = 4, NEED_SEEN = 8, NEED_ENVELOPE = 16 };

/* The message that is being written. */
struct open_message {
    bool is_open;
    bool has_item; /* the response has one already */
    struct seq seq;
    struct message m;
    uint32_t att; /* next attribute */
    struct shape shape;
    struct envelope envelope;
    struct shown shown;
    struct section_octets octets; /* of the literal that is being sent, when it is BODY[...] */
    struct binary_octets binary;  /* when it is BINARY[...] */
    struct preview_run preview;   /* that is being made */
};

struct fetch_args {
    struct numset set;
    struct fetch_atts atts;
    struct fetch_modifiers modifiers;
    unsigned needs;
    unsigned line_items; /* bits of enum line_item that every response has */
    bool is_hot;         /* line_items are all there is */
    unsigned form;       /* of ENVELOPE and BODYSTRUCTURE, bits of enum structure_form */
    struct numset ever;  /* the same set, for what is gone */
    struct numset gone;  /* VANISHED */
    size_t gone_at;
    struct walk walk;
    struct walk_run run; /* messages of the walk that are to come */
    size_t run_at;
    struct open_message open;
    struct arena *arena; /* of the open message */
    struct buf text;     /* written, not yet in the output */
    size_t text_at;
    struct flags_text flags;
    enum err failure;     /* why some message was left out */
    uint32_t told_uid;    /* the last message begun; 0: none */
    uint32_t told_before; /* up to this one another process told them */
};

enum fetch_phase { FETCH_BEGIN, FETCH_SEEN, FETCH_EARLIER, FETCH_MESSAGES };

/* ---- parsing ---- */

static unsigned get_needs(const struct fetch_att *att)
{
    static const unsigned NEEDS[] = {
        [FETCH_ENVELOPE] = NEED_COLD | NEED_ENVELOPE,
        [FETCH_FLAGS] = 0,
        [FETCH_INTERNALDATE] = NEED_COLD,
        [FETCH_RFC822] = NEED_COLD | NEED_OCTETS | NEED_SEEN,
        [FETCH_RFC822_HEADER] = NEED_COLD | NEED_OCTETS | NEED_SHAPE,
        [FETCH_RFC822_SIZE] = NEED_COLD,
        [FETCH_RFC822_TEXT] = NEED_COLD | NEED_OCTETS | NEED_SHAPE | NEED_SEEN,
        [FETCH_BODY] = NEED_COLD | NEED_SHAPE,
        [FETCH_BODYSTRUCTURE] = NEED_COLD | NEED_SHAPE,
        [FETCH_UID] = 0,
        [FETCH_MODSEQ] = 0,
        [FETCH_BODY_SECTION] = NEED_COLD | NEED_OCTETS | NEED_SHAPE | NEED_SEEN,
        [FETCH_BINARY] = NEED_COLD | NEED_OCTETS | NEED_SHAPE | NEED_SEEN,
        [FETCH_BINARY_SIZE] = NEED_COLD | NEED_OCTETS | NEED_SHAPE,
        [FETCH_SAVEDATE] = NEED_COLD,
        [FETCH_PREVIEW] = NEED_COLD | NEED_OCTETS | NEED_SHAPE,
        [FETCH_EMAILID] = NEED_COLD,
        [FETCH_THREADID] = NEED_COLD | NEED_ENVELOPE,
    };
    unsigned needs = NEEDS[att->kind];
    if (att->kind == FETCH_BODY_SECTION) {
        bool is_whole = att->section.depth == 0 && att->section.text == SECTION_ALL;
        needs &= ~(is_whole ? (unsigned)NEED_SHAPE : 0U);
    }
    needs &= ~(att->is_peek ? (unsigned)NEED_SEEN : 0U);
    return needs;
}

static unsigned get_line_item(enum fetch_att_kind kind)
{
    if (kind == FETCH_UID) {
        return LINE_UID;
    }
    if (kind == FETCH_FLAGS) {
        return LINE_FLAGS;
    }
    return kind == FETCH_MODSEQ ? LINE_MODSEQ : 0;
}

/* items: bits of enum line_item that every response has, whatever was asked for. */
static void study_atts(struct fetch_args *args, unsigned items, struct scan *c)
{
    args->line_items = items;
    args->is_hot = true;
    for (uint32_t i = 0; i < args->atts.count; i++) {
        const struct fetch_att *att = &args->atts.at[i];
        unsigned item = get_line_item(att->kind);
        args->line_items |= item;
        args->needs |= get_needs(att);
        args->is_hot = args->is_hot && item != 0;
    }
    if (args->modifiers.has_changedsince) {
        args->line_items |= LINE_MODSEQ;
    }
}

static unsigned get_form(const struct imap_session *s)
{
    unsigned form = s->is_rev2 ? STRUCTURE_GLOBAL | STRUCTURE_DECODED : 0;
    return session_is_utf8(s) ? form | STRUCTURE_UTF8 : form;
}

static void parse_fetch(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct fetch_args *args = arena_one(cmd->arena, struct fetch_args);
    cmd->args = args;
    buf_init(&args->text, TEXT_MOST);
    args->form = get_form(s);
    struct scan at_set = *c;
    set_parse(s, cmd, c, &args->set);
    scan_sp(c);
    scan_fetch_atts(c, cmd->arena, &args->atts);
    if (!scan_is_end(c)) {
        scan_sp(c);
        scan_fetch_modifiers(c, &args->modifiers);
    }
    if (args->modifiers.is_vanished && !(cmd->is_uid && s->has_qresync)) {
        scan_fail(c, ERR_SYNTAX, "VANISHED only in UID FETCH and after ENABLE QRESYNC");
    }
    if (args->modifiers.has_partial && !cmd->is_uid) {
        scan_fail(c, ERR_SYNTAX, "PARTIAL only in UID FETCH");
    }
    if (scan_is_ok(c)) {
        study_atts(args, cmd->is_uid ? session_get_line_uid(s) : 0, c);
        if (args->modifiers.is_vanished) {
            set_parse_ever(s, cmd, at_set, &args->ever);
        }
    }
}

/* ---- one message ---- */

static void close_message(struct fetch_args *args)
{
    struct open_message *o = &args->open;
    shown_close(&o->shown);
    section_clear(&o->octets);
    binary_close(&o->binary);
    preview_run_clear(&o->preview);
    o->is_open = false;
    if (args->arena != NULL) {
        arena_clear(args->arena);
    }
}

/* Only the envelope, when that is all that is asked of the shape. */
static enum err load_shape(struct imap_session *s, struct fetch_args *args, unsigned needs)
{
    struct open_message *o = &args->open;
    struct str serialised;
    TRY(account_get_shape(s->account, o->m.body_id, &serialised));
    if (args->arena == NULL) {
        args->arena = arena_new(2 * (size_t)SHAPE_ARENA_MOST + SHAPE_MOST);
    }
    serialised = arena_str(args->arena, serialised);
    if ((needs & NEED_SHAPE) == 0) {
        return shape_parse_envelope(args->arena, serialised, &o->envelope);
    }
    TRY(shape_parse(args->arena, serialised, &o->shape));
    o->envelope = *o->shape.root.envelope;
    return ERR_OK;
}

/* Octets, and the shape in which they are shown: that of a message with binary parts is not the stored one. */
static enum err open_octets(struct imap_session *s, struct fetch_args *args)
{
    struct open_message *o = &args->open;
    unsigned needs = args->needs;
    if (needs & NEED_OCTETS) {
        TRY(shown_open(&o->shown, s->account, &o->m));
        needs |= o->shown.is_encoded ? (unsigned)NEED_SHAPE : 0U;
    }
    if (needs & (NEED_SHAPE | NEED_ENVELOPE)) {
        TRY(load_shape(s, args, needs));
    }
    if ((needs & NEED_SHAPE) == 0) {
        return ERR_OK;
    }
    o->shown.shape = &o->shape;
    if ((needs & NEED_OCTETS) == 0 && o->shape.size != o->m.size) {
        TRY(shown_open(&o->shown, s->account, &o->m));
    }
    return o->shown.reader == NULL ? ERR_OK : shown_set_shape(&o->shown, args->arena, &o->shape);
}

/* The part that BINARY[...] means, as it is stored. *is_found: there is one. Errors: ERR_UNKNOWN_CTE. */
static enum err find_binary(const struct open_message *o, const struct fetch_att *att,
                            struct binary_part *out, bool *is_found)
{
    const struct section *section = &att->section;
    const struct part *p = shape_find_part(&o->shape, section->path, section->depth);
    *is_found = p != NULL;
    if (p == NULL) {
        return ERR_OK;
    }
    return binary_describe(o->m.body_id, &o->shape, section->depth == 0 ? NULL : p, out);
}

static bool is_binary_att(const struct fetch_att *att)
{
    return att->kind == FETCH_BINARY || att->kind == FETCH_BINARY_SIZE;
}

/* RFC 3516 §4.3: a section that cannot be decoded MUST fail the request. */
static enum err check_binary(const struct fetch_args *args)
{
    struct binary_part part;
    bool is_found = false;
    for (uint32_t i = 0; i < args->atts.count; i++) {
        if (is_binary_att(&args->atts.at[i])) {
            TRY(find_binary(&args->open, &args->atts.at[i], &part, &is_found));
        }
    }
    return ERR_OK;
}

/* Everything that the attributes will need, before a word is written. */
static enum err open_message(struct imap_session *s, struct fetch_args *args)
{
    struct open_message *o = &args->open;
    if (args->needs & NEED_COLD) {
        uint64_t modseq = o->m.modseq;
        uint64_t flags = o->m.flags;
        TRY(view_get(args->walk.view, o->seq, &o->m));
        o->m.modseq = modseq;
        o->m.flags = flags;
    }
    TRY(open_octets(s, args));
    return check_binary(args);
}

/* Flags that the command itself has set: the message as told. Says which items must be shown for it. */
static unsigned apply_told(const struct imap_session *s, struct message *m)
{
    const struct told *t = &s->news.told;
    if (t->view == NULL || !numset_has(&t->uids, m->uid.v)) {
        return 0;
    }
    struct seq seq = view_find_uid(t->view, m->uid);
    if (seq.v == 0) {
        return 0;
    }
    view_get_hot(t->view, seq, m);
    return s->has_condstore ? LINE_FLAGS | LINE_MODSEQ | session_get_line_uid(s) : LINE_FLAGS;
}

/* Items have spaces between them. */
static struct buf *begin_item(struct fetch_args *args)
{
    if (args->open.has_item) {
        buf_add_char(&args->text, ' ');
    }
    args->open.has_item = true;
    return &args->text;
}

/* The items that stand at the front of every response. */
static void write_head(struct imap_session *s, struct fetch_args *args, unsigned items)
{
    const struct message *m = &args->open.m;
    buf_add(&args->text, STR("* "));
    buf_add_u64(&args->text, s->has_uidonly ? m->uid.v : args->open.seq.v);
    buf_add(&args->text, s->has_uidonly ? STR(" UIDFETCH (") : STR(" FETCH ("));
    args->open.has_item = false;
    if (items & LINE_UID) {
        struct buf *text = begin_item(args);
        buf_add(text, STR("UID "));
        buf_add_u64(text, m->uid.v);
    }
    if (items & LINE_FLAGS) {
        struct buf *text = begin_item(args);
        bool is_recent = numset_has(&s->selected.recent, m->uid.v);
        buf_add(text, STR("FLAGS ("));
        buf_add(text, flags_text_get(&args->flags, s->selected.mailbox, m->flags, is_recent));
        buf_add_char(text, ')');
    }
    if (items & LINE_MODSEQ) {
        struct buf *text = begin_item(args);
        buf_add(text, STR("MODSEQ ("));
        buf_add_u64(text, m->modseq);
        buf_add_char(text, ')');
    }
}

/* "BODY[1.MIME]<0> ", or the old name. */
static void write_section_name(struct buf *text, const struct fetch_att *att)
{
    if (att->kind == FETCH_RFC822) {
        buf_add(text, STR("RFC822 "));
        return;
    }
    if (att->kind == FETCH_RFC822_HEADER || att->kind == FETCH_RFC822_TEXT) {
        buf_add_c(text, att->kind == FETCH_RFC822_TEXT ? "RFC822.TEXT " : "RFC822.HEADER ");
        return;
    }
    buf_add_c(text, att->kind == FETCH_BODY_SECTION ? "BODY["
                    : att->kind == FETCH_BINARY     ? "BINARY["
                                                    : "BINARY.SIZE[");
    section_write(text, &att->section);
    buf_add_char(text, ']');
    if (att->has_partial) {
        buf_add_char(text, '<');
        buf_add_u64(text, att->partial.offset);
        buf_add_char(text, '>');
    }
    buf_add_char(text, ' ');
}

/* Starts a literal; its octets are sent by stream_octets(). */
static enum err write_section(struct fetch_args *args, const struct fetch_att *att)
{
    struct open_message *o = &args->open;
    struct section section = att->section;
    if (att->kind == FETCH_RFC822_HEADER || att->kind == FETCH_RFC822_TEXT) {
        section.text = att->kind == FETCH_RFC822_TEXT ? SECTION_TEXT : SECTION_HEADER;
    }
    bool is_found = false;
    section_clear(&o->octets);
    TRY(section_find(&o->shown, &section, &o->octets, &is_found));
    write_section_name(&args->text, att);
    if (!is_found) {
        buf_add(&args->text, STR("NIL"));
        return ERR_OK;
    }
    if (att->has_partial) {
        section_cut(&o->octets, att->partial.offset, att->partial.length);
    }
    imap_write_literal_head(&args->text, o->octets.size, false);
    return ERR_OK;
}

/* Starts a literal, or writes the size. STEP_MORE: the part is being measured; nothing was written. */
static enum step write_binary(struct imap_session *s, struct fetch_args *args,
                              const struct fetch_att *att)
{
    struct open_message *o = &args->open;
    struct binary_part described;
    struct binary_part *part = NULL;
    bool is_found = false;
    if (find_binary(o, att, &described, &is_found) != ERR_OK) {
        return STEP_BAD;
    }
    if (is_found) {
        part = session_get_binary(s, &described);
        enum step step = binary_measure(part, o->shown.reader);
        if (step != STEP_DONE) {
            return step;
        }
    }
    struct buf *text = begin_item(args);
    write_section_name(text, att);
    if (att->kind == FETCH_BINARY_SIZE) {
        buf_add_u64(text, is_found ? part->decoded_size : 0);
    } else if (!is_found) {
        buf_add(text, STR("NIL"));
    } else {
        binary_close(&o->binary);
        binary_open(&o->binary, part, o->shown.reader, att->has_partial ? att->partial.offset : 0,
                    att->has_partial ? att->partial.length : UINT64_MAX);
        imap_write_literal_head(text, o->binary.size, part->has_nul);
    }
    return STEP_DONE;
}

/* STEP_MORE: the preview is being made; nothing was written. */
static enum step write_preview(struct imap_session *s, struct fetch_args *args,
                               const struct fetch_att *att)
{
    struct open_message *o = &args->open;
    struct str preview;
    bool is_known = false;
    enum step step = preview_run_step(&o->preview, &o->shape, o->shown.reader, att->is_lazy,
                                      &preview, &is_known);
    if (step == STEP_DONE) {
        struct buf *text = begin_item(args);
        buf_add(text, STR("PREVIEW "));
        imap_write_ntext(text, preview, is_known, session_is_utf8(s));
        preview_run_clear(&o->preview);
    }
    return step;
}

static void write_object(struct buf *text, const char *name, struct str id)
{
    buf_addf(text, "%s (%.*s)", name, STR_ARG(id));
}

/* What is known of a message without its octets; false: it is none of these. */
static bool write_fact(struct imap_session *s, struct fetch_args *args, const struct fetch_att *att,
                       struct buf *text)
{
    const struct open_message *o = &args->open;
    const struct mailbox *m = s->selected.mailbox;
    char id[OBJECT_ID_MOST];
    if (att->kind == FETCH_INTERNALDATE) {
        buf_add(text, STR("INTERNALDATE "));
        imap_write_date_time(text, o->m.internaldate_s);
    } else if (att->kind == FETCH_SAVEDATE) {
        buf_add(text, STR("SAVEDATE "));
        imap_write_date_time(text, o->m.savedate_s);
    } else if (att->kind == FETCH_RFC822_SIZE) {
        buf_add(text, STR("RFC822.SIZE "));
        buf_add_u64(text, o->m.size);
    } else if (att->kind == FETCH_EMAILID) {
        write_object(text, "EMAILID", object_get_email(m, &o->m, id));
    } else if (att->kind == FETCH_THREADID) {
        write_object(text, "THREADID", object_get_thread(m, &o->m, &o->envelope, id));
    } else {
        return false;
    }
    return true;
}

static enum err write_att(struct imap_session *s, struct fetch_args *args,
                          const struct fetch_att *att)
{
    struct buf *text = begin_item(args);
    const struct open_message *o = &args->open;
    if (write_fact(s, args, att, text)) {
        return ERR_OK;
    }
    if (att->kind == FETCH_ENVELOPE) {
        buf_add(text, STR("ENVELOPE "));
        structure_write_envelope(text, &o->envelope, args->form);
    } else if (att->kind == FETCH_BODY) {
        buf_add(text, STR("BODY "));
        structure_write_body(text, &o->shown.shape->root, args->form);
    } else if (att->kind == FETCH_BODYSTRUCTURE) {
        buf_add(text, STR("BODYSTRUCTURE "));
        structure_write_body(text, &o->shown.shape->root, args->form | STRUCTURE_EXTENDED);
    } else {
        return write_section(args, att);
    }
    return ERR_OK;
}

/* A literal's octets are to be sent. */
static bool is_in_literal(const struct open_message *o)
{
    return o->octets.size > 0 || o->binary.size > 0;
}

/* Writes attributes until a literal has to be sent, or the message is complete. STEP_MORE: call again, it takes long. */
static enum step write_atts(struct imap_session *s, struct fetch_args *args)
{
    struct open_message *o = &args->open;
    for (; o->att < args->atts.count && !is_in_literal(o); o->att++) {
        const struct fetch_att *att = &args->atts.at[o->att];
        enum step step = STEP_DONE;
        if (is_binary_att(att)) {
            step = write_binary(s, args, att);
        } else if (att->kind == FETCH_PREVIEW) {
            step = write_preview(s, args, att);
        } else if (get_line_item(att->kind) == 0) {
            step = write_att(s, args, att) == ERR_OK ? STEP_DONE : STEP_BAD;
        }
        if (step != STEP_DONE) {
            return step;
        }
    }
    if (!is_in_literal(o)) {
        buf_add(&args->text, STR(")\r\n"));
        close_message(args);
    }
    return args->text.is_full ? STEP_BAD : STEP_DONE;
}

/* ---- all messages ---- */

/* Moves gathered text to the output: STEP_MORE when that is full for now. */
static enum step drain_text(struct fetch_args *args, struct buf *out)
{
    size_t room = out->len < SESSION_OUTPUT_MOST ? SESSION_OUTPUT_MOST - out->len : 0;
    struct str part = str_sub(buf_str(&args->text), args->text_at, room);
    buf_add(out, part);
    args->text_at += part.n;
    if (args->text_at < args->text.len) {
        return STEP_MORE;
    }
    buf_clear(&args->text);
    args->text_at = 0;
    return STEP_DONE;
}

/* Sends octets of the open literal. A failing disk amid a literal leaves no way to go on: STEP_BAD. */
static enum step stream_octets(struct fetch_args *args, struct buf *out)
{
    struct open_message *o = &args->open;
    while (is_in_literal(o)) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        struct str octets = STR_EMPTY;
        enum step step = STEP_DONE;
        if (o->binary.size > 0) {
            step = binary_read(&o->binary, READ_SIZE, &octets);
        } else if (section_read(&o->shown, &o->octets, READ_SIZE, &octets) != ERR_OK) {
            step = STEP_BAD;
        }
        if (step != STEP_DONE) {
            return step;
        }
        buf_add(out, octets);
    }
    return STEP_DONE;
}

/* Does CHANGEDSINCE let a message through? */
static bool is_wanted(const struct fetch_args *args, uint64_t modseq)
{
    return !args->modifiers.has_changedsince || modseq > args->modifiers.changedsince;
}

/* The next message of the walk that is wanted. */
static bool next_message(struct fetch_args *args)
{
    for (;;) {
        if (args->run_at >= args->run.count) {
            args->run_at = 0;
            if (!walk_next_run(&args->walk, SIZE_MAX, &args->run)) {
                args->run.count = 0;
                return false;
            }
        }
        size_t i = args->run_at++;
        if (!is_wanted(args, args->run.modseqs[i]) || args->run.uids[i] <= args->told_before) {
            continue;
        }
        args->told_uid = args->run.uids[i];
        args->open.m = walk_get(&args->run, i);
        args->open.seq = (struct seq){args->run.first.v + (uint32_t)i};
        return true;
    }
}

static void begin_message(struct imap_session *s, struct fetch_args *args)
{
    struct open_message *o = &args->open;
    unsigned items = args->line_items | apply_told(s, &o->m);
    enum err e = open_message(s, args);
    if (e != ERR_OK) {
        close_message(args);
        args->failure = e == ERR_NOT_FOUND ? ERR_EXPUNGED : e;
        return;
    }
    o->is_open = true;
    o->att = 0;
    write_head(s, args, items);
}

static enum step step_cold(struct imap_session *s, struct fetch_args *args, struct buf *out)
{
    for (;;) {
        if (drain_text(args, out) == STEP_MORE) {
            return STEP_MORE;
        }
        enum step step = stream_octets(args, out);
        if (step != STEP_DONE) {
            return step;
        }
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        if (!args->open.is_open) {
            if (out->len >= BETWEEN_OUTPUT && args->told_uid > 0) {
                return STEP_MORE;
            }
            if (!next_message(args)) {
                return STEP_DONE;
            }
            begin_message(s, args);
        }
        step = args->open.is_open ? write_atts(s, args) : STEP_DONE;
        if (step != STEP_DONE) {
            return step;
        }
    }
}

static enum step step_hot(struct imap_session *s, struct fetch_args *args, struct buf *out)
{
    while (next_message(args)) {
        line_write(out, s, &args->flags, args->open.seq, &args->open.m, args->line_items);
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
    }
    return STEP_DONE;
}

/* ---- the command ---- */

static bool may_mark_seen(const struct imap_session *s)
{
    return !s->selected.is_read_only && session_may(s, s->selected.mailbox, RIGHT_SEEN);
}

/* What the process that began the command has marked: seen, and changed since the client knows. */
static enum err find_marked(struct imap_session *s, const struct fetch_args *args,
                            struct numset *uids)
{
    struct view *now = NULL;
    struct walk_run run;
    struct walk w = args->walk;
    uint64_t known = view_get_highestmodseq(s->selected.known);
    TRY(mailbox_get_view(s->selected.mailbox, &now));
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        for (size_t i = 0; i < run.count; i++) {
            struct message m;
            struct seq seq = view_find_uid(now, (struct uid){run.uids[i]});
            if (seq.v == 0 || run.uids[i] <= args->told_before) {
                continue;
            }
            view_get_hot(now, seq, &m);
            if ((m.flags & FLAG_SEEN) != 0 && m.modseq > known) {
                numset_add(uids, m.uid.v, m.uid.v);
            }
        }
    }
    return ERR_OK;
}

/* Sets \Seen on what is fetched and does not have it. */
static enum err mark_seen(struct imap_session *s, struct fetch_args *args)
{
    struct numset *uids = &s->news.told.uids;
    struct walk_run run;
    struct walk w = args->walk;
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        for (size_t i = 0; i < run.count; i++) {
            bool is_to_come = run.uids[i] > args->told_before && is_wanted(args, run.modseqs[i]);
            if ((run.flags[i] & FLAG_SEEN) == 0 && is_to_come) {
                numset_add(uids, run.uids[i], run.uids[i]);
            }
        }
    }
    if (s->cmd.is_again) {
        TRY(find_marked(s, args, uids));
    }
    if (numset_is_empty(uids)) {
        return ERR_OK;
    }
    TRY(mailbox_store_flags(s->selected.mailbox, uids, FLAG_OP_ADD, FLAG_SEEN, UINT64_MAX, NULL));
    session_tell_event(s, s->selected.mailbox, IMAP_CAUSE_FLAG, uids);
    return ERR_OK;
}

/* Leaves of the set the messages that PARTIAL asks for (RFC 9394, 3.3): before CHANGEDSINCE sees them, and after VANISHED was found,
 * which is about the whole set. */
static void apply_partial(struct imap_session *s, struct fetch_args *args)
{
    struct numset uids = NUMSET_INIT;
    walk_collect_uids(s->selected.known, &args->set, true, &uids);
    numset_clear(&args->set);
    partial_range_apply(args->modifiers.partial, &uids, &args->set);
    numset_release(&uids);
}

static enum run fetch_begin(struct imap_session *s, struct cmd *cmd, struct fetch_args *args)
{
    walk_init(&args->walk, s->selected.known, &args->set, cmd->is_uid);
    if (args->modifiers.is_vanished) {
        cmd->err =
            resync_find_vanished(s->selected.mailbox, s->selected.known,
                                 args->modifiers.changedsince, &args->ever, NULL, &args->gone);
    }
    if (args->modifiers.has_partial && cmd->err == ERR_OK) {
        cmd->err = limit_check_count(s, partial_range_get_count(args->modifiers.partial));
        apply_partial(s, args);
    }
    limit_apply(s, &args->set, cmd->is_uid);
    if (cmd->is_again && cmd->told_uid > 0) {
        args->told_before = cmd->told_uid;
        args->failure = cmd->failure;
        numset_clear(&args->gone);
    }
    cmd->phase = FETCH_EARLIER;
    if (cmd->err == ERR_OK && (args->needs & NEED_SEEN) != 0 && may_mark_seen(s)) {
        cmd->err = mark_seen(s, args);
        cmd->phase = FETCH_SEEN;
    }
    if (cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    return cmd->phase == FETCH_SEEN ? RUN_COMMIT : RUN_MORE;
}

static enum run fetch_done(struct cmd *cmd, struct fetch_args *args)
{
    if (args->failure != ERR_OK && !(cmd->is_uid && args->failure == ERR_EXPUNGED)) {
        cmd->err = args->failure;
    }
    return RUN_DONE;
}

static enum run fetch_messages(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct fetch_args *args = cmd->args;
    enum step step = args->is_hot ? step_hot(s, args, out) : step_cold(s, args, out);
    if (step == STEP_BAD) {
        s->is_broken = true;
        return RUN_DONE;
    }
    /* Where another process could go on. */
    cmd->is_between = step == STEP_MORE && !args->open.is_open && args->text.len == 0;
    cmd->told_uid = args->told_uid > 0 ? args->told_uid : args->told_before;
    cmd->failure = args->failure;
    return step == STEP_MORE ? RUN_MORE : fetch_done(cmd, args);
}

static enum run run_fetch(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct fetch_args *args = cmd->args;
    cmd->is_between = false;
    if (cmd->phase == FETCH_BEGIN) {
        if (args->line_items & LINE_MODSEQ) {
            session_enable_condstore(s, out);
        }
        enum run run = fetch_begin(s, cmd, args);
        if (run != RUN_MORE) {
            return run;
        }
    }
    if (cmd->phase == FETCH_SEEN) {
        struct view *now = NULL;
        if (!numset_is_empty(&s->news.told.uids)
            && mailbox_get_view(s->selected.mailbox, &now) == ERR_OK) {
            s->news.told.view = view_ref(now);
        }
        cmd->phase = FETCH_EARLIER;
    }
    if (cmd->phase == FETCH_EARLIER) {
        if (resync_write_vanished(&args->gone, &args->gone_at, out) == STEP_MORE) {
            return RUN_MORE;
        }
        cmd->phase = FETCH_MESSAGES;
    }
    return fetch_messages(s, cmd, out);
}

static void release_args(struct fetch_args *args)
{
    close_message(args);
    section_release(&args->open.octets);
    numset_release(&args->set);
    numset_release(&args->ever);
    numset_release(&args->gone);
    flags_text_release(&args->flags);
    buf_release(&args->text);
    arena_free(&args->arena);
}

static void release_fetch(struct cmd *cmd)
{
    release_args(cmd->args);
}

/* ---- responses that no command asked for ---- */

struct fetch_job {
    struct fetch_args args;
    struct view *view;
};

struct fetch_job *fetch_job_new(struct imap_session *s, const struct fetch_atts *atts,
                                const struct numset *uids, struct view *v)
{
    struct fetch_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        abort();
    }
    struct fetch_args *args = &job->args;
    struct scan none = scan_make(STR_EMPTY);
    buf_init(&args->text, TEXT_MOST);
    args->atts = *atts;
    args->form = get_form(s);
    unsigned uid = s->has_condstore || s->is_rev2 ? session_get_line_uid(s) : 0;
    study_atts(args, s->has_condstore ? uid | LINE_MODSEQ : uid, &none);
    job->view = view_ref(v);
    walk_init(&args->walk, job->view, uids, true);
    return job;
}

enum step fetch_job_step(struct imap_session *s, struct fetch_job *job, struct buf *out)
{
    struct fetch_args *args = &job->args;
    return args->is_hot ? step_hot(s, args, out) : step_cold(s, args, out);
}

void fetch_job_free(struct fetch_job **job)
{
    struct fetch_job *j = *job;
    *job = NULL;
    if (j != NULL) {
        release_args(&j->args);
        view_unref(&j->view);
        free(j);
    }
}

const struct command command_fetch = {
    .name = STR("FETCH"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "BINARY PREVIEW",
    .parse = parse_fetch,
    .run = run_fetch,
    .release = release_fetch,
};
