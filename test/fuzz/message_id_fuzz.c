/* Fuzzes mime/message_id and search/thread_tree: ids have no brackets' worth of nothing, come to an end, and messages that name each
 * other in any way become a forest that holds each of them once. */
#include "fuzz.h"

#include "mime/message_id.h"
#include "search/thread_tree.h"

#include <assert.h>

enum { ID_CAP = 1024 * 1024, MESSAGES_MOST = 200 };

static void check_ids(struct str s)
{
    struct buf id = BUF_INIT(ID_CAP);
    struct str rest = s;
    while (message_id_next(&rest, &id)) {
        assert(id.len >= 3 && str_find_char(buf_str(&id), '@') < id.len);
        assert(rest.n < s.n);
        s = rest;
        buf_clear(&id);
    }
    buf_release(&id);
}

/* Counts the messages below node 0, without recursion. */
static uint32_t count(const struct thread_node *nodes)
{
    uint32_t n = nodes[0].child;
    uint32_t messages = 0;
    while (n != 0) {
        messages += nodes[n].seq != 0 ? 1 : 0;
        if (nodes[n].child != 0) {
            assert(nodes[nodes[n].child].parent == n);
            n = nodes[n].child;
            continue;
        }
        assert(nodes[n].seq != 0);
        while (n != 0 && nodes[n].next == 0) {
            n = nodes[n].parent;
        }
        n = n == 0 ? 0 : nodes[n].next;
    }
    return messages;
}

/* Each line is a message: "date subject id references". */
static void check_threads(struct str s, enum thread_algorithm algorithm)
{
    struct thread_tree t;
    uint32_t messages = 0;
    thread_tree_init(&t, algorithm);
    while (s.n > 0 && messages < MESSAGES_MOST) {
        struct str line = str_split(&s, '\n');
        struct thread_message m = {.seq = ++messages};
        m.date_s = line.n > 0 ? line.p[0] : 0;
        m.arrival_s = line.n > 1 ? line.p[1] : 0;
        m.is_reply = m.arrival_s % 2 == 0;
        m.subject = str_sub(line, 2, 1);
        m.message_id = str_sub(line, 3, 6);
        m.references = str_skip(line, 9);
        m.in_reply_to = m.message_id;
        assert(thread_tree_add(&t, &m) == ERR_OK);
    }
    for (uint64_t budget = 7; !thread_tree_step(&t, &budget); budget = 7) {
    }
    assert(count(t.nodes.at) == messages);
    thread_tree_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str octets = str_make((const char *)data, size);
    check_ids(octets);
    check_threads(octets, THREAD_ORDEREDSUBJECT);
    check_threads(octets, THREAD_REFERENCES);
    check_threads(octets, THREAD_REFS);
    return 0;
}
