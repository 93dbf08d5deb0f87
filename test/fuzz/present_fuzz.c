/* Fuzzes presenting messages with binary parts: what is presented has no NUL, parses to the very shape that was foretold, needs
 * no presenting again, and reads the same from any place on. The first octet chooses the size of the pieces. */
#include "fuzz.h"

#include "mime/present.h"

#include <assert.h>

static enum err get(void *owner, uint64_t offset, size_t n, struct str *out)
{
    *out = str_sub(*(struct str *)owner, (size_t)offset, n);
    return ERR_OK;
}

static void check_same(const struct part *a, const struct part *b)
{
    assert(a->header_offset == b->header_offset && a->header_size == b->header_size);
    assert(a->body_offset == b->body_offset && a->body_size == b->body_size);
    assert(a->child_count == b->child_count);
    for (uint32_t i = 0; i < a->child_count; i++) {
        check_same(&a->children[i], &b->children[i]);
    }
}

static size_t count_nul(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\0' ? 1 : 0;
    }
    return n;
}

static size_t count_in_leaves(struct str message, const struct part *p)
{
    size_t n = 0;
    if (p->child_count == 0) {
        return count_nul(str_sub(message, (size_t)p->body_offset, (size_t)p->body_size));
    }
    for (uint32_t i = 0; i < p->child_count; i++) {
        n += count_in_leaves(message, &p->children[i]);
    }
    return n;
}

static void read_all(const struct present *p, struct str message, size_t piece, struct buf *out)
{
    struct present_source source = {get, &message};
    while (out->len < p->shape.size) {
        size_t before = out->len;
        enum err e = present_read(p, &source, out->len, piece, out);
        assert(e == ERR_OK && out->len > before);
    }
    assert(out->len == p->shape.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct str message = str_make((const char *)data + 1, size - 1);
    struct present_source source = {get, &message};
    struct arena *a = arena_new(4 * (size_t)SHAPE_ARENA_MOST);
    struct buf serialised = BUF_INIT(SHAPE_MOST);
    struct buf again = BUF_INIT(SHAPE_MOST);
    struct buf out = BUF_INIT(64 * size + 4096);
    struct buf pieces = BUF_INIT(64 * size + 4096);
    struct shape stored;
    struct shape shape;
    struct present p;
    uint64_t measured = 0;
    bool is_fine = shape_build(message, &serialised) == ERR_OK
                   && shape_parse(a, buf_str(&serialised), &stored) == ERR_OK
                   && present_measure(message, buf_str(&serialised), &measured) == ERR_OK;
    assert(is_fine);
    assert(present_is_needed(&stored) ? measured > message.n : measured == message.n);
    if (present_is_needed(&stored)) {
        is_fine = present_build(a, &stored, &source, &p) == ERR_OK;
        assert(is_fine && p.shape.size == measured);
        read_all(&p, message, SIZE_MAX, &out);
        read_all(&p, message, 1 + data[0], &pieces);
        assert(str_eq(buf_str(&out), buf_str(&pieces)));
        assert(str_find_char(buf_str(&out), '\0') == out.len);
        is_fine = shape_build(buf_str(&out), &again) == ERR_OK
                  && shape_parse(a, buf_str(&again), &shape) == ERR_OK;
        assert(is_fine);
        /* NUL in a header or a boundary is shown as something else, which may mean something else */
        if (count_nul(message) == count_in_leaves(message, &stored.root)) {
            check_same(&p.shape.root, &shape.root);
        }
    }
    arena_free(&a);
    buf_release(&serialised);
    buf_release(&again);
    buf_release(&out);
    buf_release(&pieces);
    return 0;
}
