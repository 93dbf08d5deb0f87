#ifndef LIMETTA_EDGE_FRAMED_H
#define LIMETTA_EDGE_FRAMED_H

#include "edge/dialogue_priv.h"
#include "wire/imap_framing.h"

/* What the dialogues of IMAP and ManageSieve share: commands come as lines with literals (wire/imap_framing.h). A dialogue of
 * this kind begins with it. */
struct framed_dialogue {
    struct dialogue base;
    struct imap_framing *framing;
};

/* What is to be done with a frame. */
struct framed_ops {
    void (*greet)(struct dialogue *d);
    void (*on_command)(struct dialogue *d);
    /* The client's answer to a challenge. */
    void (*on_sasl)(struct dialogue *d);
    bool is_sasl_line; /* it comes as a line without literals */
    /* A literal was announced: answer the framer. */
    void (*on_literal)(struct dialogue *d);
    /* Says why a command was dropped. */
    void (*on_dropped)(struct dialogue *d);
};

/* The framer's limits: those that hold before a login, but for literals of literal_most octets. */
enum {
    FRAMED_LINE_MOST = 16 * 1024,
    FRAMED_COMMAND_MOST = 24 * 1024,
    FRAMED_SWALLOW_MOST = 64 * 1024
};
void framed_init(struct framed_dialogue *d, const struct dialogue_ops *ops,
                 const struct dialogue_args *args, size_t literal_most);
void framed_release(struct framed_dialogue *d);

/* dialogue_ops.run by these verbs; the others as they are. */
bool framed_run(struct dialogue *d, const struct framed_ops *ops);
void framed_feed(struct dialogue *d, struct str octets);
size_t framed_get_backlog(const struct dialogue *d);
struct str framed_get_rest(const struct dialogue *d);

#endif
