/* Who a role is joined to: a handful of links, looked up by role and index. A peer that was started again comes with a new
 * link, and what still hung on the old one hears its end first. */
#include "main/peers.h"

#include "main/control.h"
#include "net/stream.h"

#include <unistd.h>

void peers_init(struct peers *p, struct loop *l, unsigned roles, const struct link_handler *handler,
                void *owner)
{
    *p = (struct peers){.loop = l, .roles = roles, .handler = handler, .owner = owner};
}

struct link *peers_add(struct peers *p, const struct boot_peer *peer)
{
    if ((p->roles >> peer->role & 1) == 0) {
        log_error("%s has no business here", control_role_name(peer->role));
        (void)close(peer->fd);
        return NULL;
    }
    struct link *old = peers_find(p, peer->role, peer->index);
    if (old != NULL) {
        p->handler->on_down(p->owner, old);
    }
    struct stream *s = stream_from_fd(p->loop, peer->fd);
    struct link *l = link_new(p->loop, s, peer->role, peer->index, p->handler, p->owner);
    link_set_name(l, peer->name);
    if (peer->role != ROLE_EDGE) {
        link_set_sessions_most(l, PEERS_SESSIONS_MOST);
    }
    vec_push(&p->links, l);
    return l;
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

struct link *peers_find_any(const struct peers *p, enum link_role role)
{
    for (size_t i = 0; i < p->links.count; i++) {
        if (link_get_peer(p->links.at[i]) == role) {
            return p->links.at[i];
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

void peers_log_presumption(struct peers *p, const struct link *l, const char *what)
{
    const char *others = log_pace(&p->pace, loop_now_ms(p->loop));
    if (others != NULL) {
        log_warn("%s of %.*s %s%s", control_role_name(link_get_peer(l)), STR_ARG(link_get_name(l)),
                 what, others);
    }
}

void peers_release(struct peers *p)
{
    while (p->links.count > 0) {
        p->handler->on_down(p->owner, p->links.at[p->links.count - 1]);
    }
    vec_release(&p->links);
}
