/* From octets to a tree of parts: the structure of MIME (RFC 2045, 2046), found in any octets.
 *
 * The message is read once, line by line, with a stack of the parts that are open. A line in a body that begins with "--" is
 * compared with the boundaries of all open multiparts. When it is a delimiter, the parts above that multipart end before it
 * (the line end before a delimiter belongs to the delimiter, RFC 2046, 5.1.1), and a new part begins or the multipart
 * is closed and only its epilogue follows. The end of the message ends everything.
 *
 *   stack   root multipart -> multipart "a" -> message -> its multipart "b" -> leaf        lines go to the top
 *                                   ^ "--a"    here ends three parts and begins a sibling of the message
 *
 * Defined for broken mail:
 *   - The boundary need only begin the line (RFC 2046, 5.1.1). If several open ones do, the longest wins, then the innermost: so
 *     an inner boundary that has the outer one as its prefix works.
 *   - A closed multipart does not hear its boundary again.
 *   - A header ends with its empty line, with a delimiter, or with the message; lines that are no field are passed over.
 *   - CRLF and LF end lines, in any mixture. CR alone does not.
 *   - The end delimiter may be missing; a boundary may never come: then the multipart has one empty part.
 *
 * Cost: every line is looked at a fixed number of times, and lines with "--" once for each open multipart, of which there are
 * at most SHAPE_DEPTH_MOST. Parts come in the order of the serialised tree, so writing is one walk over an array. */
#include "mime/shape.h"

#include "base/vec.h"
#include "mime/field.h"
#include "mime/shape_fields.h"
#include "mime/shape_priv.h"

#include <stdlib.h>

struct node {
    uint64_t header_offset;
    uint64_t header_size;
    uint64_t body_offset;
    uint64_t body_size;
    uint64_t body_lines;
    uint32_t child_count;
    unsigned kind;
    unsigned present;
    struct shape_slice envelope;
    struct shape_slice fields;
};

/* A part whose end has not come. */
struct open_part {
    size_t node;
    bool is_message_root; /* has an envelope */
    bool is_in_digest;
    bool is_digest;
    bool is_delimited; /* a multipart that still hears its boundary */
    char boundary[BOUNDARY_MOST];
    size_t boundary_n;
    uint64_t lines; /* the counters of struct builder where its body began */
    uint64_t nuls;
    uint64_t eights;
};

struct builder {
    struct str s;
    size_t at;       /* next octet */
    uint64_t lines;  /* line ends before at */
    uint64_t nuls;   /* lines with a NUL before at */
    uint64_t eights; /* lines with an octet above 127 */
    struct shape_fields fields;
    struct buf text; /* what nodes' slices name */
    VEC(struct node) nodes;
    size_t childless; /* open multiparts that may still need an empty part */
    size_t depth;     /* parts in stack */
    struct open_part stack[SHAPE_DEPTH_MOST + 1];
};

static struct node *get_node(struct builder *b, const struct open_part *p)
{
    return &b->nodes.at[p->node];
}

static bool has_8bit(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.n; i++) {
        all |= (unsigned char)s.p[i];
    }
    return all >= 0x80;
}

/* Counts the line and steps over it. */
static void pass_line(struct builder *b, struct str line)
{
    b->lines += line.p[line.n - 1] == '\n' ? 1U : 0U;
    b->nuls += memchr(line.p, '\0', line.n) != NULL ? 1U : 0U;
    b->eights += has_8bit(line) ? 1U : 0U;
    b->at += line.n;
}

/* May another part be made, and the empty parts that open multiparts may need? */
static bool may_add(const struct builder *b)
{
    return b->nodes.count + b->childless < SHAPE_PARTS_MOST;
}

/* The stack index of the open multipart that the line delimits, or b->depth. is_close: it ends the multipart. */
static size_t find_delimited(const struct builder *b, struct str line, bool *is_close)
{
    size_t best = b->depth;
    size_t best_n = 0;
    if (!str_starts(line, STR("--"))) {
        return b->depth;
    }
    struct str rest = str_skip(line, 2);
    for (size_t i = b->depth; i-- > 0;) {
        const struct open_part *p = &b->stack[i];
        if (p->is_delimited && p->boundary_n > best_n
            && str_starts(rest, str_make(p->boundary, p->boundary_n))) {
            best = i;
            best_n = p->boundary_n;
        }
    }
    *is_close = best < b->depth && str_starts(str_skip(rest, best_n), STR("--"));
    if (best < b->depth && !*is_close && !may_add(b)) {
        return b->depth; /* past the bound delimiters are text */
    }
    return best;
}

/* Opens a part at b->at. */
static void push(struct builder *b, bool is_message_root, bool is_in_digest)
{
    if (b->depth > 0) {
        struct node *parent = get_node(b, &b->stack[b->depth - 1]);
        b->childless -= parent->child_count == 0 && (parent->kind & KIND_MULTIPART) != 0 ? 1U : 0U;
        parent->child_count++;
    }
    vec_push(&b->nodes, (struct node){.header_offset = b->at});
    b->stack[b->depth++] = (struct open_part){.node = b->nodes.count - 1,
                                              .is_message_root = is_message_root,
                                              .is_in_digest = is_in_digest};
}

/* A multipart without parts gets one: nobody who reads shapes must think of that case. */
static void add_empty_part(struct builder *b, uint64_t offset)
{
    vec_push(&b->nodes, (struct node){.header_offset = offset,
                                      .body_offset = offset,
                                      .kind = KIND_DEFAULT_TYPE | KIND_DEFAULT_ENCODING});
    b->childless--;
}

/* Ends all parts at stack index `keep` and above. line_at: where the delimiter's line begins, or the end of the message. */
static void end_parts(struct builder *b, size_t keep, bool is_delimiter)
{
    size_t end = b->at;
    if (is_delimiter && end > 0 && b->s.p[end - 1] == '\n') {
        end -= end > 1 && b->s.p[end - 2] == '\r' ? 2U : 1U;
    }
    while (b->depth > keep) {
        struct open_part *p = &b->stack[--b->depth];
        struct node *n = get_node(b, p);
        /* A header that ends at the delimiter keeps its line end, and so do the parts around it. */
        end = end < n->body_offset ? n->body_offset : end;
        n->body_size = end - n->body_offset;
        n->body_lines = b->lines - p->lines - (end < b->at ? 1U : 0U);
        n->kind |= (b->nuls > p->nuls ? KIND_NUL : 0U) | (b->eights > p->eights ? KIND_8BIT : 0U);
        if ((n->kind & KIND_MULTIPART) != 0 && n->child_count == 0) {
            n->child_count = 1;
            add_empty_part(b, end);
        }
    }
}

/* Steps over the header lines of the top part; returns the header. */
static struct str pass_header(struct builder *b)
{
    size_t from = b->at;
    bool is_close = false;
    while (b->at < b->s.n) {
        struct str line = field_line(b->s, b->at);
        if (find_delimited(b, line, &is_close) < b->depth) {
            break;
        }
        pass_line(b, line);
        if (field_is_empty_line(line)) {
            break;
        }
    }
    return str_sub(b->s, from, b->at - from);
}

/* Reads the header of the top part and enters its body. */
static void read_header(struct builder *b)
{
    struct open_part *p = &b->stack[b->depth - 1];
    struct shape_header h;
    struct str header = pass_header(b);
    shape_fields_read(&b->fields, header, p->is_message_root, p->is_in_digest, &b->text, &h);
    bool may_nest = b->depth <= SHAPE_DEPTH_MOST && may_add(b);
    if (!may_nest) {
        h.kind &= ~(unsigned)(KIND_MULTIPART | KIND_MESSAGE);
    }
    struct node *n = get_node(b, p);
    n->header_size = header.n;
    n->body_offset = b->at;
    n->kind = h.kind;
    n->present = h.present;
    n->envelope = h.envelope;
    n->fields = h.fields;
    p->lines = b->lines;
    p->nuls = b->nuls;
    p->eights = b->eights;
    if ((h.kind & KIND_MULTIPART) != 0) {
        p->is_delimited = true;
        p->is_digest = h.is_digest;
        p->boundary_n = h.boundary_n;
        memcpy(p->boundary, h.boundary, h.boundary_n);
        b->childless++;
    }
}

/* Opens a part, and the messages inside messages that begin at once. */
static void open_part(struct builder *b, bool is_message_root, bool is_in_digest)
{
    push(b, is_message_root, is_in_digest);
    read_header(b);
    while ((get_node(b, &b->stack[b->depth - 1])->kind & KIND_MESSAGE) != 0) {
        push(b, true, false);
        read_header(b);
    }
}

static void read_structure(struct builder *b)
{
    open_part(b, true, false);
    while (b->at < b->s.n) {
        struct str line = field_line(b->s, b->at);
        bool is_close = false;
        size_t i = find_delimited(b, line, &is_close);
        if (i == b->depth) {
            pass_line(b, line);
            continue;
        }
        end_parts(b, i + 1, true);
        pass_line(b, line);
        if (is_close) {
            b->stack[i].is_delimited = false;
        } else {
            open_part(b, false, b->stack[i].is_digest);
        }
    }
    end_parts(b, 0, false);
}

static void write_node(const struct builder *b, const struct node *n, struct buf *out)
{
    struct str text = buf_str(&b->text);
    buf_add(out, str_sub(text, n->envelope.at, n->envelope.n));
    buf_add_char(out, (char)n->kind);
    buf_add_char(out, (char)n->present);
    shape_write_number(out, n->header_offset);
    shape_write_number(out, n->header_size);
    shape_write_number(out, n->body_size);
    shape_write_number(out, n->body_lines);
    shape_write_number(out, n->child_count);
    buf_add(out, str_sub(text, n->fields.at, n->fields.n));
}

enum err shape_build(struct str message, struct buf *out)
{
    struct builder *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        abort();
    }
    b->s = message;
    buf_init(&b->text, SHAPE_MOST);
    shape_fields_init(&b->fields);
    read_structure(b);
    buf_add_char(out, SHAPE_VERSION);
    shape_write_number(out, message.n);
    shape_write_number(out, b->nodes.count);
    for (size_t i = 0; i < b->nodes.count; i++) {
        write_node(b, &b->nodes.at[i], out);
    }
    shape_fields_release(&b->fields);
    buf_release(&b->text);
    vec_release(&b->nodes);
    free(b);
    return buf_err(out);
}
