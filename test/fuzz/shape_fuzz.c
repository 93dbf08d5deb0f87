/* Fuzzes mime/shape: any octets build a shape, the shape reads back, and what shape.h says always holds holds. */
#include "fuzz.h"

#include "mime/shape.h"

#include <assert.h>
#include <stdlib.h>

static void check_str(struct str s)
{
    assert(str_find_char(s, '\0') == s.n);
    assert(str_find_char(s, '\r') == s.n);
    assert(str_find_char(s, '\n') == s.n);
}

static uint64_t count_lines(struct str s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n';
    }
    return n;
}

static void check_part(struct str message, const struct part *p, unsigned depth)
{
    uint64_t end = p->body_offset + p->body_size;
    uint64_t from = p->body_offset;
    assert(depth <= SHAPE_DEPTH_MOST);
    assert(p->body_offset == p->header_offset + p->header_size);
    assert(end <= message.n);
    struct str body = str_sub(message, p->body_offset, p->body_size);
    assert(p->body_lines == count_lines(body));
    assert(p->is_multipart == (p->child_count > 0 && !p->is_message));
    assert(!p->is_message || p->child_count == 1);
    if (p->child_count == 0) {
        assert(p->has_nul == (str_find_char(body, '\0') < body.n));
    }
    check_str(p->type);
    check_str(p->subtype);
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct part *child = &p->children[i];
        assert(child->header_offset >= from);
        from = child->body_offset + child->body_size;
        assert(from <= end);
        assert((child->envelope != NULL) == p->is_message);
        check_part(message, child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = str_make((const char *)data, size);
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    struct buf octets = BUF_INIT(SHAPE_MOST);
    struct shape shape;
    struct envelope envelope;
    enum err e = shape_build(message, &octets);
    assert(e == ERR_OK);
    e = shape_parse(a, buf_str(&octets), &shape);
    assert(e == ERR_OK);
    assert(shape.size == size);
    check_part(message, &shape.root, 0);
    e = shape_parse_envelope(a, buf_str(&octets), &envelope);
    assert(e == ERR_OK);
    assert(envelope.to.count == shape.root.envelope->to.count);
    buf_release(&octets);
    arena_free(&a);
    return 0;
}
