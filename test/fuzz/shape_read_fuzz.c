/* Fuzzes the reader of serialised shapes with hostile octets: it refuses them, or gives a tree within its bounds. */
#include "fuzz.h"

#include "mime/shape.h"

#include <assert.h>

static uint64_t check_part(const struct part *p, uint64_t size, unsigned depth)
{
    uint64_t touched = p->type.n + p->params.count + p->disposition_params.count;
    assert(depth <= SHAPE_DEPTH_MOST);
    assert(p->body_offset + p->body_size <= size);
    for (uint32_t i = 0; i < p->params.count; i++) {
        touched += str_hash(p->params.at[i].value);
    }
    for (uint32_t i = 0; i < p->child_count; i++) {
        touched += check_part(&p->children[i], size, depth + 1);
    }
    return touched;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    struct shape shape;
    struct envelope envelope;
    struct str octets = str_make((const char *)data, size);
    static const uint32_t PATH[] = {1, 2, 1};
    if (shape_parse(a, octets, &shape) == ERR_OK) {
        (void)check_part(&shape.root, shape.size, 0);
        (void)shape_find_part(&shape, PATH, 3);
    }
    arena_clear(a);
    if (shape_parse_envelope(a, octets, &envelope) == ERR_OK) {
        for (uint32_t i = 0; i < envelope.from.count; i++) {
            (void)str_hash(envelope.from.at[i].mailbox);
        }
    }
    arena_free(&a);
    return 0;
}
