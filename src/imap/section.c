/* BODY[section]: which octets of a message it means, as it is shown (shown.h) (RFC 3501, 6.4.5).
 *
 * The shape knows where each part's header and body lie, so every section is a run of the message's octets, except the
 * selections of header fields, which are several runs. So a section is a list of pieces, with a size that is known
 * before the first octet is sent (a literal needs it), read later through a cursor with bounded memory.
 *
 * Header fields are found by one pass over the header in windows. A field belongs with its continuation lines; the
 * empty line at the end belongs to every selection; a line that is no field belongs to HEADER.FIELDS.NOT. A header that
 * would give more than PIECES_MOST pieces ends there: no honest message has so many, and a peer cannot make us keep more.
 */
#include "imap/section.h"

enum { PIECES_MOST = 16384, WINDOW_SIZE = 16 * 1024, FIELD_NAME_MOST = 1000 };

static void add_piece(struct section_octets *o, uint64_t offset, uint64_t size)
{
    if (size == 0) {
        return;
    }
    o->size += size;
    if (o->pieces.count > 0) {
        struct section_piece *last = &o->pieces.at[o->pieces.count - 1];
        if (last->offset + last->size == offset) {
            last->size += size;
            return;
        }
    }
    vec_push(&o->pieces, ((struct section_piece){offset, size}));
}

/* ---- header fields ---- */

/* A pass over the lines of a header. */
struct header_pass {
    struct shown *shown;
    const struct section *section;
    uint64_t at;  /* beginning of the line */
    uint64_t end; /* of the header */
    bool is_in;   /* the field that the line before belongs to is selected */
};

static bool is_selected(const struct section *section, struct str line)
{
    bool is_listed = false;
    size_t colon = str_find_char(line, ':');
    struct str name = str_trim(str_sub(line, 0, colon));
    for (uint32_t i = 0; colon < line.n && i < section->field_count; i++) {
        is_listed = is_listed || str_eq_nocase(name, section->fields[i]);
    }
    return is_listed == (section->text == SECTION_HEADER_FIELDS);
}

/* Decides whether the line, of which head is the beginning, belongs to the selection. */
static bool takes_line(struct header_pass *p, struct str head)
{
    if (head.p[0] == '\r' || head.p[0] == '\n') {
        return true;
    }
    if (head.p[0] != ' ' && head.p[0] != '\t') {
        size_t line_end = str_find_char(head, '\n');
        p->is_in = is_selected(p->section, str_sub(head, 0, line_end));
    }
    return p->is_in;
}

/* Size of the line at p->at, with its end; window holds its beginning. */
static enum err measure_line(const struct header_pass *p, struct str window, uint64_t *size)
{
    uint64_t done = 0;
    for (;;) {
        size_t line_end = str_find_char(window, '\n');
        if (line_end < window.n) {
            *size = done + line_end + 1;
            return ERR_OK;
        }
        done += window.n;
        if (window.n == 0 || p->at + done >= p->end) {
            *size = done;
            return ERR_OK;
        }
        uint64_t left = p->end - p->at - done;
        TRY(shown_get(p->shown, p->at + done, left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE,
                      &window));
    }
}

static enum err select_fields(struct header_pass *p, struct section_octets *o)
{
    while (p->at < p->end && o->pieces.count < PIECES_MOST) {
        uint64_t left = p->end - p->at;
        struct str window;
        TRY(shown_get(p->shown, p->at, left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE, &window));
        if (window.n == 0) {
            return ERR_CORRUPT;
        }
        bool is_taken = takes_line(p, str_sub(window, 0, FIELD_NAME_MOST));
        uint64_t size = 0;
        TRY(measure_line(p, window, &size));
        if (is_taken) {
            add_piece(o, p->at, size);
        }
        p->at += size;
    }
    return ERR_OK;
}

/* ---- sections ---- */

/* The part whose header HEADER and whose body TEXT mean: the message itself, or the one inside a message part. */
static const struct part *find_message(const struct part *part, const struct section *section)
{
    if (section->depth == 0) {
        return part;
    }
    return part->is_message ? &part->children[0] : NULL;
}

static enum err find_in_part(struct shown *s, const struct part *part,
                             const struct section *section, struct section_octets *o,
                             bool *is_found)
{
    if (section->text == SECTION_ALL) {
        add_piece(o, part->body_offset, part->body_size);
        return ERR_OK;
    }
    if (section->text == SECTION_MIME) {
        add_piece(o, part->header_offset, part->header_size);
        return ERR_OK;
    }
    const struct part *message = find_message(part, section);
    if (message == NULL) {
        *is_found = false;
        return ERR_OK;
    }
    if (section->text == SECTION_TEXT) {
        add_piece(o, message->body_offset, message->body_size);
        return ERR_OK;
    }
    if (section->text == SECTION_HEADER) {
        add_piece(o, message->header_offset, message->header_size);
        return ERR_OK;
    }
    struct header_pass pass = {
        .shown = s,
        .section = section,
        .at = message->header_offset,
        .end = message->header_offset + message->header_size,
    };
    return select_fields(&pass, o);
}

enum err section_find(struct shown *s, const struct section *section, struct section_octets *o,
                      bool *is_found)
{
    *is_found = true;
    if (section->depth == 0 && section->text == SECTION_ALL) {
        add_piece(o, 0, s->size);
        return ERR_OK;
    }
    const struct part *part = shape_find_part(s->shape, section->path, section->depth);
    if (part == NULL) {
        *is_found = false;
        return ERR_OK;
    }
    return find_in_part(s, part, section, o, is_found);
}

/* ---- reading ---- */

void section_cut(struct section_octets *o, uint64_t offset, uint64_t length)
{
    uint64_t total = o->size;
    uint64_t skip = offset < total ? offset : total;
    o->size = total - skip < length ? total - skip : length;
    while (o->at < o->pieces.count && skip >= o->pieces.at[o->at].size) {
        skip -= o->pieces.at[o->at].size;
        o->at++;
    }
    o->consumed = skip;
}

enum err section_read(struct shown *s, struct section_octets *o, size_t n, struct str *out)
{
    if (o->size == 0) {
        *out = STR_EMPTY;
        return ERR_OK;
    }
    const struct section_piece *piece = &o->pieces.at[o->at];
    uint64_t left = piece->size - o->consumed;
    left = left < o->size ? left : o->size;
    n = left < n ? (size_t)left : n;
    struct str octets;
    TRY(shown_get(s, piece->offset + o->consumed, n, &octets));
    if (octets.n == 0) {
        return ERR_CORRUPT;
    }
    o->size -= octets.n;
    o->consumed += octets.n;
    if (o->consumed == piece->size) {
        o->at++;
        o->consumed = 0;
    }
    *out = octets;
    return ERR_OK;
}

void section_clear(struct section_octets *o)
{
    vec_clear(&o->pieces);
    o->size = 0;
    o->at = 0;
    o->consumed = 0;
}

void section_release(struct section_octets *o)
{
    section_clear(o);
    vec_release(&o->pieces);
}
