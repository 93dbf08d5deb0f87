/* The sort key of one message.
 *
 * All criteria of a sort become one run of octets, so that comparing two messages is one memcmp(), whatever was asked:
 *
 *   number   8 octets, big-endian, the sign flipped
 *   string   its collation key (mime/collate.h), 00 behind it; in the key 00 is written 01 01, and 01 is written 01 02
 *
 * REVERSE flips all bits of its criterion. The message number, the last criterion of all (RFC 5256), is not in the key: whoever
 * sorts breaks ties by it, and REVERSE has no say there. */
#include "search/sort_key.h"

enum {
    KEY_TEXT_CAP = 64 * SHAPE_FIELD_MOST,
    ESCAPE = 1,
    KEY_COST = 512,    /* of work */
    OCTETS_A_UNIT = 4, /* of a shape */
    MAP_COST = 4       /* of an octet of a collation key */
};

void sort_keys_init(struct sort_keys *k, struct account *a, const struct sort_program *program)
{
    *k = (struct sort_keys){.program = program, .account = a};
    for (size_t i = 0; i < program->count; i++) {
        k->has_strings = k->has_strings || program->at[i].kind >= SORT_DATE;
    }
    k->arena = arena_new(SHAPE_ARENA_MOST);
    buf_init(&k->text, KEY_TEXT_CAP);
    collate_init(&k->collate);
}

void sort_keys_release(struct sort_keys *k)
{
    arena_free(&k->arena);
    buf_release(&k->text);
    collate_release(&k->collate);
}

int64_t sort_get_date(const struct message *m, const struct envelope *e)
{
    return e->date_s == INT64_MIN ? m->internaldate_s : e->date_s;
}

static void write_number(struct buf *out, int64_t number)
{
    uint64_t v = (uint64_t)number ^ (UINT64_C(1) << 63);
    for (int shift = 56; shift >= 0; shift -= 8) {
        buf_add_char(out, (char)(unsigned char)(v >> shift));
    }
}

static void write_string(struct buf *out, struct str key)
{
    struct str s = str_sub(key, 0, SORT_STRING_MOST);
    char *to = buf_reserve(out, 2 * s.n + 1);
    size_t n = 0;
    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        bool is_escaped = (unsigned char)s.p[i] <= ESCAPE;
        if (is_escaped) {
            to[n++] = ESCAPE;
        }
        to[n++] = is_escaped ? (char)(s.p[i] + 1) : s.p[i];
    }
    to[n++] = '\0';
    buf_commit(out, n);
}

static const struct address_list *get_list(const struct envelope *e, enum sort_kind kind)
{
    if (kind == SORT_CC) {
        return &e->cc;
    }
    return kind == SORT_TO || kind == SORT_DISPLAYTO ? &e->to : &e->from;
}

/* RFC 5957, 3: the name, if anything is left of it when decoded, else the address. */
static void write_display(struct sort_keys *k, const struct address *a)
{
    collate_write(&k->collate, a->name, &k->text);
    if (k->text.len > 0) {
        return;
    }
    collate_write(&k->collate, a->mailbox, &k->text);
    if (a->host.n > 0) {
        buf_add_char(&k->text, '@');
        collate_write(&k->collate, a->host, &k->text);
    }
}

static void write_text(struct sort_keys *k, const struct envelope *e, enum sort_kind kind)
{
    if (kind == SORT_SUBJECT) {
        (void)collate_write_subject(&k->collate, e->subject.s, &k->text);
        return;
    }
    const struct address_list *list = get_list(e, kind);
    if (list->count == 0) {
        return;
    }
    if (kind == SORT_DISPLAYFROM || kind == SORT_DISPLAYTO) {
        write_display(k, &list->at[0]);
    } else {
        collate_write(&k->collate, list->at[0].mailbox, &k->text);
    }
}

static void write_criterion(struct sort_keys *k, const struct message *m, const struct envelope *e,
                            unsigned score, struct sort_criterion c, struct buf *out)
{
    size_t at = out->len;
    if (c.kind == SORT_RELEVANCY) {
        write_number(out, -(int64_t)score);
    } else if (c.kind == SORT_ARRIVAL) {
        write_number(out, m->internaldate_s);
    } else if (c.kind == SORT_SIZE) {
        write_number(out, (int64_t)m->size);
    } else if (c.kind == SORT_DATE) {
        write_number(out, sort_get_date(m, e));
    } else {
        buf_clear(&k->text);
        write_text(k, e, c.kind);
        k->work += k->text.len * MAP_COST;
        write_string(out, buf_str(&k->text));
    }
    for (; c.is_reverse && at < out->len; at++) {
        out->p[at] = (char)~out->p[at];
    }
}

enum err sort_read_envelope(struct arena *arena, struct account *a, uint64_t body_id,
                            struct envelope *out, size_t *size)
{
    struct str octets;
    *size = 0;
    *out = (struct envelope){.date_s = INT64_MIN};
    enum err err = account_get_shape(a, body_id, &octets);
    if (err == ERR_NOT_FOUND || err == ERR_NO_MESSAGE) {
        return ERR_OK;
    }
    TRY(err);
    *size = octets.n;
    return shape_parse_envelope(arena, octets, out);
}

enum err sort_read_message(struct view *v, struct seq seq, struct message *out)
{
    enum err e = view_get(v, seq, out);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err sort_keys_write(struct sort_keys *k, struct view *v, struct seq seq, struct buf *out)
{
    struct message m;
    struct envelope e = {.date_s = INT64_MIN};
    unsigned score = k->scores == NULL ? 0 : k->scores[seq.v];
    size_t octets = 0;
    TRY(sort_read_message(v, seq, &m));
    if (k->has_strings) {
        arena_clear(k->arena);
        TRY(sort_read_envelope(k->arena, k->account, m.body_id, &e, &octets));
    }
    k->work += KEY_COST + octets / OCTETS_A_UNIT;
    for (size_t i = 0; i < k->program->count; i++) {
        write_criterion(k, &m, &e, score, k->program->at[i], out);
    }
    return buf_err(out);
}
