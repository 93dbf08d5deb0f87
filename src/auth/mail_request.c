/* What submit asks: who gets the mail for an address, and may a user write as one? lookup.c knows; here are the messages. */
#include "auth/auth_priv.h"
#include "base/log.h"
#include "net/fields.h"

static void add_targets(struct buf *b, const struct lookup *l)
{
    CLEANUP(buf_release) struct buf addresses = BUF_INIT(LOOKUP_OCTETS_MOST);
    CLEANUP(buf_release) struct buf users = BUF_INIT(LOOKUP_OCTETS_MOST);
    for (size_t i = 0; i < l->targets.count; i++) {
        const struct lookup_target *t = &l->targets.at[i];
        const char *space = i > 0 ? " " : "";
        buf_addf(&addresses, "%s%.*s", space, STR_ARG(t->address));
        buf_add_c(&users, space);
        buf_add(&users, t->user.n > 0 ? t->user : STR(".")); /* which is nobody's name */
    }
    fields_add(b, STR("targets"), buf_str(&addresses));
    fields_add(b, STR("users"), buf_str(&users));
}

void auth_lookup(struct auth *a, const struct auth_asker *asker, uint32_t id,
                 const struct fields *f)
{
    CLEANUP(lookup_release) struct lookup l;
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    lookup_init(&l);
    enum err e = lookup_address(a->o.users, &a->o.addresses, fields_get(f, STR("address")), &l);
    fields_add(&b, STR("result"),
               e == ERR_OK        ? STR("ok")
               : e == ERR_NO_USER ? STR("no")
                                  : STR("later"));
    if (e == ERR_OK && l.user.n > 0) {
        fields_add(&b, STR("user"), l.user);
        fields_add(&b, STR("detail"), l.detail);
    } else if (e == ERR_OK) {
        add_targets(&b, &l);
    } else if (e != ERR_NO_USER) {
        log_warn("an address cannot be looked up: %s", err_get_info(e)->meaning);
    }
    bool is_whole = buf_err(&b) == ERR_OK;
    asker->reply(asker->peer, id, is_whole ? buf_str(&b) : STR("result=later\n"));
    buf_release(&b);
}

void auth_check_sender(struct auth *a, const struct auth_asker *asker, uint32_t id,
                       const struct fields *f)
{
    struct str user = fields_get(f, STR("user"));
    enum err e = ERR_OK;
    if (!str_has_word(a->o.senders_of_all, user)) {
        e = lookup_sender(a->o.users, &a->o.addresses, a->o.is_alias_shared, user,
                          fields_get(f, STR("address")));
    }
    asker->reply(asker->peer, id,
                 e == ERR_OK               ? STR("result=ok\n")
                 : e == ERR_NOT_AUTHORIZED ? STR("result=no\n")
                                           : STR("result=later\n"));
}
