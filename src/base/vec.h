#ifndef LIMETTA_BASE_VEC_H
#define LIMETTA_BASE_VEC_H

#include <stddef.h>

/* A typed growable array on the heap. VEC(int) v = VEC_INIT; vec_push(&v, 3); v.at[0]; v.count; vec_release(&v);
 * Out of memory aborts: what peers may grow is bounded by the caller before it pushes. */
#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *at;                                                                                     \
        size_t count;                                                                              \
        size_t size;                                                                               \
    }

#define VEC_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* Room for one more item of item_size octets behind count items; returns the (possibly moved) array. */
void *vec_grow(void *at, size_t count, size_t *size, size_t item_size);
void vec_free_items(void *at);

#define vec_push(v, ...)                                                                           \
    ((v)->at = vec_grow((v)->at, (v)->count, &(v)->size, sizeof(*(v)->at)),                        \
     (v)->at[(v)->count++] = (__VA_ARGS__))

/* Removes item i; the order of the others stays. */
#define vec_remove(v, i)                                                                           \
    (memmove(&(v)->at[i], &(v)->at[(i) + 1], ((v)->count - (i)-1) * sizeof(*(v)->at)), (v)->count--)

#define vec_clear(v) ((void)((v)->count = 0))
#define vec_release(v)                                                                             \
    (vec_free_items((v)->at), (v)->at = NULL, (v)->count = 0, (v)->size = 0, (void)0)

#endif
