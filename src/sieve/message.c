/* The message as a script sees it.
 *
 * The header is a row of fields, read once. editheader (RFC 5293) puts fields in and takes fields out of that row; tests look at
 * the row, so they see what was done before them. An action that is taken gets the header as octets, written once per state:
 * stored fields as they stand, octet by octet, so what was not touched keeps its signature. The body never changes. */
#include "sieve/message.h"

#include "mime/field.h"
#include "mime/shape.h"
#include "mime/words.h"
#include "sieve/run_priv.h"

/* The header's octets, with the empty line. */
static void find_header(struct sieve_message *m, struct str message)
{
    while (m->header_size < message.n && !m->has_body) {
        struct str line = field_line(message, m->header_size);
        m->header_size += line.n;
        m->has_body = field_is_empty_line(line);
    }
}

static uint32_t count_fields(struct str header)
{
    uint32_t count = 0;
    size_t at = 0;
    struct field f;
    while (field_next(header, &at, &f)) {
        count++;
    }
    return count;
}

enum err sieve_message_read(struct sieve_run *r)
{
    struct sieve_message *m = &r->message;
    if (m->is_read) {
        return ERR_OK;
    }
    find_header(m, r->env->message);
    struct str header = str_sub(r->env->message, 0, m->header_size);
    TRY(sieve_run_spend(r, sieve_steps_for(header.n, SIEVE_RATE_COPY)));
    m->size = count_fields(header);
    m->fields = sieve_run_array(r, struct sieve_field, m->size + 1u);
    if (m->fields == NULL) {
        return sieve_run_full(r);
    }
    size_t at = 0;
    struct field f;
    while (field_next(header, &at, &f)) {
        m->fields[m->count++] = (struct sieve_field){
            .name = f.name, .value = f.value, .octets = str_sub(header, f.offset, f.size)};
    }
    m->is_read = true;
    return ERR_OK;
}

enum err sieve_message_write(struct sieve_run *r, struct str *out)
{
    struct sieve_message *m = &r->message;
    if (!m->is_written) {
        size_t n = 2;
        for (uint32_t i = 0; i < m->count; i++) {
            n += m->fields[i].octets.n;
        }
        TRY(sieve_run_spend(r, sieve_steps_for(n, SIEVE_RATE_COPY)));
        char *p = sieve_run_array(r, char, n);
        if (p == NULL) {
            return sieve_run_full(r);
        }
        m->written = str_make(p, n);
        for (uint32_t i = 0; i < m->count; i++) {
            memcpy(p, m->fields[i].octets.p, m->fields[i].octets.n);
            p += m->fields[i].octets.n;
        }
        memcpy(p, "\r\n", 2);
        m->is_written = true;
    }
    *out = m->written;
    return ERR_OK;
}

/* What the script wants to know of the body is known of the stored message. */
enum err sieve_message_get_shape(struct sieve_run *r, const struct shape **out)
{
    struct sieve_message *m = &r->message;
    if (m->shape == NULL && r->env->shape != NULL) {
        m->shape = r->env->shape;
    }
    if (m->shape == NULL) {
        TRY(sieve_run_spend(r, sieve_steps_for(r->env->message.n, SIEVE_RATE_FOLD)));
        struct buf serialised = BUF_INIT(SHAPE_MOST);
        struct shape *shape = sieve_run_array(r, struct shape, 1);
        enum err e = shape == NULL ? ERR_LIMIT : shape_build(r->env->message, &serialised);
        struct str kept = STR_EMPTY;
        if (e == ERR_OK) {
            e = sieve_run_keep(r, buf_str(&serialised), &kept);
        }
        if (e == ERR_OK) {
            e = shape_parse(r->arena, kept, shape);
        }
        buf_release(&serialised);
        if (e != ERR_OK) {
            return sieve_run_full(r);
        }
        m->shape = shape;
    }
    *out = m->shape;
    return ERR_OK;
}

struct sieve_fields sieve_fields_make(const struct sieve_strings *names, const struct sieve_node *n)
{
    const struct sieve_arg *index = sieve_node_find(n, SIEVE_TAG_INDEX);
    return (struct sieve_fields){.names = *names,
                                 .is_indexed = index != NULL,
                                 .is_last = sieve_node_has(n, SIEVE_TAG_LAST),
                                 .index = index != NULL ? index->number : 0};
}

static const struct sieve_field *next_called(const struct sieve_message *m, struct sieve_fields *f)
{
    for (; f->name < f->names.count; f->name++, f->at = 0) {
        while (f->at < m->count) {
            const struct sieve_field *field = &m->fields[f->at++];
            f->looked++;
            if (str_eq_nocase(field->name, f->names.at[f->name])) {
                return field;
            }
        }
    }
    return NULL;
}

/* "all the named header fields are counted in the order specified by the header-list" (RFC 5260, 6). */
static const struct sieve_field *find_indexed(const struct sieve_message *m, struct sieve_fields *f)
{
    uint64_t wanted = f->index;
    if (f->is_last) {
        struct sieve_fields all = {.names = f->names};
        uint64_t count = 0;
        while (next_called(m, &all) != NULL) {
            count++;
        }
        wanted = wanted <= count ? count + 1 - wanted : 0;
        f->looked += all.looked;
    }
    const struct sieve_field *field = NULL;
    for (uint64_t i = 0; i < wanted && (i == 0 || field != NULL); i++) {
        field = next_called(m, f);
    }
    f->name = f->names.count;
    return field;
}

const struct sieve_field *sieve_fields_next(const struct sieve_run *r, struct sieve_fields *f)
{
    return f->is_indexed ? find_indexed(&r->message, f) : next_called(&r->message, f);
}

enum err sieve_fields_spend(struct sieve_run *r, const struct sieve_fields *f)
{
    return sieve_run_spend(r, 1 + f->looked / SIEVE_FIELDS_A_STEP);
}

const struct sieve_field *sieve_message_find(const struct sieve_run *r, struct str name)
{
    struct sieve_fields f = {.names = {.at = &name, .count = 1}};
    return next_called(&r->message, &f);
}

/* Encoded words are what takes time. */
uint64_t sieve_field_count_steps(const struct sieve_field *f)
{
    bool has_words = str_find_str(f->value, STR("=?")) < f->value.n;
    return sieve_steps_for(f->octets.n, has_words ? SIEVE_RATE_CHARACTER : SIEVE_RATE_TEXT);
}

void sieve_field_write_text(const struct sieve_field *f, struct buf *out)
{
    struct buf unfolded = BUF_INIT(f->value.n + 1);
    field_unfold(f->value, &unfolded);
    words_decode(buf_str(&unfolded), out);
    buf_release(&unfolded);
}
