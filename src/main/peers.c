/* Who a role is joined to: a handful of links, looked up by role and index. A peer that was started again comes with a new
 * link, and what still hung on the old one hears its end first. */
#include "main/peers.h"

#include "net/stream.h"

#include <string.h>

void peers_init(struct peers *p, struct loop *l, const struct link_handler *handler, void *owner)
{
    *p = (struct peers){.loop = l, .handler = handler, .owner = owner};
}

void peers_add(struct peers *p, enum link_role role, unsigned index, int fd)
{
    struct link *old = peers_find(p, role, index);
    if (old != NULL) {
        p->handler->on_down(p->owner, old);
    }
    struct stream *s = stream_from_fd(p->loop, fd);
    vec_push(&p->links, link_new(p->loop, s, role, index, p->handler, p->owner));
}

struct link *peers_find(const struct peers *p, enum link_role role, unsigned index)
{
    for (size_t i = 0; i < p->links.count; i++) {
        struct link *l = p->links.at[i];
        if (link_get_peer(l) == role && link_get_index(l) == index) {
            return l;
        }
    }
    return NULL;
}

void peers_drop(struct peers *p, struct link *l)
{
    for (size_t i = 0; i < p->links.count; i++) {
        if (p->links.at[i] == l) {
            vec_remove(&p->links, i);
            break;
        }
    }
    link_free(&l);
}

void peers_release(struct peers *p)
{
    while (p->links.count > 0) {
        p->handler->on_down(p->owner, p->links.at[p->links.count - 1]);
    }
    vec_release(&p->links);
}
