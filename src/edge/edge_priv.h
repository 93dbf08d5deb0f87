#ifndef LIMETTA_EDGE_EDGE_PRIV_H
#define LIMETTA_EDGE_EDGE_PRIV_H

/* What edge.c and connection.c share. */
#include "base/list.h"
#include "edge/address.h"
#include "edge/edge.h"
#include "edge/limits.h"
#include "net/deflate.h"

struct edge {
    struct loop *loop;
    struct edge_settings settings;
    struct limits *limits;
    struct deflate_pool *deflate;
    struct list connections;
    struct list strangers; /* those not logged in; the one silent for longest comes first */
    size_t count;
    struct edge_counts counts;
    struct link *auth;
    struct link *submit;
    struct link **stores; /* settings.workers of them; NULL: no link now */
};

/* One client connection, from the greeting to the end. */
struct connection;

/* Takes s; greets. Frees itself when it is over. */
void connection_new(struct edge *e, enum service service, struct stream *s,
                    const struct address *peer, const struct address *local, bool is_counted);
struct connection *connection_from_node(struct list *node);
struct connection *connection_from_stranger(struct list *stranger);
/* Says why, and ends it. */
void connection_say_bye(struct connection *c, enum err why);
void connection_free(struct connection *c);

#endif
