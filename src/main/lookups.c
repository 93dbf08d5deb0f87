/* Questions to auth over its link, and who waits for their answers.
 *
 * A question whose link goes down is answered ERR_UNAVAILABLE by the link itself, so every question ends. An asker that goes
 * first takes its questions back, whatever became of them. */
#include "main/lookups.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/fields.h"
#include "net/link.h"

#include <stdlib.h>

struct question {
    struct list node;
    void (*answer)(void *asker, enum err e, const struct mail_found *found);
    void *asker;
    enum err no; /* what "no" means */
};

void lookups_init(struct lookups *l, struct peers *peers)
{
    l->peers = peers;
    list_init(&l->questions);
}

void lookups_release(struct lookups *l)
{
    list_each_safe(node, &l->questions)
    {
        list_remove(node);
        free(list_entry(node, struct question, node));
    }
}

static void end(struct question *q, enum err e, const struct mail_found *found)
{
    void (*answer)(void *, enum err, const struct mail_found *) = q->answer;
    void *asker = q->asker;
    list_remove(&q->node);
    free(q);
    answer(asker, e, found);
}

static void on_reply(void *owner, enum err e, struct str body)
{
    static const struct mail_found NOBODY;
    struct question *q = owner;
    struct fields f;
    if (e != ERR_OK || fields_parse(body, &f) != ERR_OK) {
        end(q, ERR_UNAVAILABLE, &NOBODY);
        return;
    }
    struct str result = fields_get(&f, STR("result"));
    struct mail_found found = {
        .user = fields_get(&f, STR("user")),
        .detail = fields_get(&f, STR("detail")),
        .targets = fields_get(&f, STR("targets")),
        .users = fields_get(&f, STR("users")),
    };
    e = str_eq(result, STR("ok")) ? ERR_OK : str_eq(result, STR("no")) ? q->no : ERR_UNAVAILABLE;
    end(q, e, e == ERR_OK ? &found : &NOBODY);
    fields_release(&f);
}

static void ask(struct lookups *l, struct question question, struct str body)
{
    static const struct mail_found NOBODY;
    struct link *auth = peers_find(l->peers, ROLE_AUTH, 0);
    if (auth == NULL) {
        question.answer(question.asker, ERR_UNAVAILABLE, &NOBODY);
        return;
    }
    struct question *q = mem_new(sizeof(*q));
    *q = question;
    list_append(&l->questions, &q->node);
    link_request(auth, body, on_reply, q);
}

void lookups_find(struct lookups *l, struct str address,
                  void (*answer)(void *asker, enum err e, const struct mail_found *found),
                  void *asker)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(FIELDS_OCTETS_MOST);
    fields_add(&body, STR("op"), STR("lookup"));
    fields_add(&body, STR("address"), address);
    struct question q = {.answer = answer, .asker = asker, .no = ERR_NO_USER};
    ask(l, q, buf_str(&body));
}

void lookups_check_sender(struct lookups *l, struct str user, struct str address,
                          void (*answer)(void *asker, enum err e, const struct mail_found *found),
                          void *asker)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(FIELDS_OCTETS_MOST);
    fields_add(&body, STR("op"), STR("sender"));
    fields_add(&body, STR("user"), user);
    fields_add(&body, STR("address"), address);
    struct question q = {.answer = answer, .asker = asker, .no = ERR_SENDER};
    ask(l, q, buf_str(&body));
}

void lookups_forget(struct lookups *l, void *asker)
{
    struct link *auth = peers_find(l->peers, ROLE_AUTH, 0);
    list_each_safe(node, &l->questions)
    {
        struct question *q = list_entry(node, struct question, node);
        if (q->asker == asker) {
            if (auth != NULL) {
                link_cancel(auth, q);
            }
            list_remove(&q->node);
            free(q);
        }
    }
}
