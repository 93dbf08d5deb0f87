#ifndef LIMETTA_BASE_LIST_H
#define LIMETTA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Intrusive doubly linked list. A head and a node are the same thing; an initialised node points to itself. */
struct list {
    struct list *prev;
    struct list *next;
};

#define list_entry(node, T, member) ((T *)(void *)((char *)(node)-offsetof(T, member)))
#define list_each(node, head)                                                                      \
    for (struct list *node = (head)->next; node != (head); node = node->next)
/* The body may remove or free node. */
#define list_each_safe(node, head)                                                                 \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

/* Puts node at the end of the list. */
static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes all nodes out, so that their owners may still remove them when head is gone. */
static inline void list_detach(struct list *head)
{
    while (head->next != head) {
        struct list *node = head->next;
        node->prev->next = node->next;
        node->next->prev = node->prev;
        list_init(node);
    }
}

/* Takes node out; it is then initialised, and removing it again does nothing. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
