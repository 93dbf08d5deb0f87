/* Frames of IMAP and ManageSieve before login. The framer cuts what comes into commands and literals; which function hears of
 * a frame, and what a dropped one means to an exchange under way, is the same in both protocols and stands here. What the words mean
 * stands in imap_dialogue.c and sieve_dialogue.c. */
#include "edge/framed.h"

static struct framed_dialogue *of(struct dialogue *d)
{
    return (struct framed_dialogue *)d;
}

void framed_init(struct framed_dialogue *d, const struct dialogue_ops *ops,
                 const struct dialogue_args *args, size_t literal_most)
{
    dialogue_init(&d->base, ops, args);
    d->framing = imap_framing_new((struct imap_framing_limits){
        .line_most = FRAMED_LINE_MOST,
        .literal_most = literal_most,
        .command_most = FRAMED_COMMAND_MOST,
        .swallow_most = FRAMED_SWALLOW_MOST,
    });
}

void framed_release(struct framed_dialogue *d)
{
    imap_framing_free(&d->framing);
}

static void forget_exchange(struct dialogue *d)
{
    if (d->state == AT_SASL) {
        login_release(&d->login);
        d->state = AT_CANCEL;
    }
}

bool framed_run(struct dialogue *d, const struct framed_ops *ops)
{
    struct imap_framing *framing = of(d)->framing;
    if (d->state == AT_GREETING) {
        ops->greet(d);
        return true;
    }
    bool is_sasl = d->state == AT_SASL;
    bool is_line = is_sasl && ops->is_sasl_line;
    switch (is_line ? imap_framing_next_line(framing) : imap_framing_next(framing)) {
    case IMAP_FRAME_COMMAND:
        if (is_sasl) {
            ops->on_sasl(d);
        } else {
            ops->on_command(d);
        }
        return true;
    case IMAP_FRAME_LITERAL:
        ops->on_literal(d);
        return true;
    case IMAP_FRAME_DROPPED:
        ops->on_dropped(d);
        forget_exchange(d);
        return true;
    case IMAP_FRAME_FATAL:
        dialogue_say_bye(d, ERR_TOO_BIG);
        return true;
    case IMAP_FRAME_MORE:
    case IMAP_FRAME_OCTETS:
    case IMAP_FRAME_STREAMED:
        break;
    }
    return false;
}

void framed_feed(struct dialogue *d, struct str octets)
{
    imap_framing_feed(of(d)->framing, octets);
}

size_t framed_get_backlog(const struct dialogue *d)
{
    return imap_framing_get_backlog(((const struct framed_dialogue *)d)->framing);
}

struct str framed_get_rest(const struct dialogue *d)
{
    return imap_framing_get_rest(((const struct framed_dialogue *)d)->framing);
}
