/* Fuzzes a whole ManageSieve session: octets of a client in, in pieces; each input gets a store in a folder of its own.
 *
 * Invariants: every session ends up waiting for input or closing within a bounded number of steps, a step says a bounded amount,
 * what it says ends with a line end, at most one script is active, and each script that was stored compiles. */
#include "fuzz.h"

#include "base/buf.h"
#include "managesieve/session.h"
#include "sieve/script.h"
#include "store/script.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS_MOST = 20000, SAID_MOST = 64 << 20, STEP_MOST = 256 * 1024, TEXT_MOST = 4096 };

struct world {
    char dir[64];
    struct store *store;
};

static uint64_t wall_ms(void *owner)
{
    (void)owner;
    return 1767225600000ULL;
}

static void wake(void *owner)
{
    (void)owner;
}

static void world_start(struct world *w)
{
    bool has_memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(w->dir, sizeof(w->dir), "%s/limetta-fuzz-XXXXXX",
                   has_memory ? "/dev/shm" : "/tmp");
    if (mkdtemp(w->dir) == NULL) {
        abort();
    }
    struct store_config c = {
        .dir = str_from_c(w->dir), .now_ms = wall_ms, .script_most = TEXT_MOST, .scripts_most = 3};
    assert(store_new(&c, &w->store) == ERR_OK);
}

static void world_end(struct world *w)
{
    char command[128];
    store_free(&w->store);
    (void)snprintf(command, sizeof(command), "rm -rf %s", w->dir);
    /* NOLINTNEXTLINE(cert-env33-c): the folder's name is our own */
    if (system(command) != 0) {
        abort();
    }
}

/* Steps until it wants input or closes. false: it closes. */
static bool settle(struct world *w, struct session *s)
{
    CLEANUP(buf_release) struct buf said = BUF_INIT(SAID_MOST);
    enum session_want want = SESSION_OUTPUT;
    for (int i = 0; want != SESSION_INPUT && want != SESSION_CLOSE; i++) {
        assert(i < STEPS_MOST);
        size_t before = said.len;
        want = s->ops->step(s, &said);
        assert(said.len - before < STEP_MOST);
        if (want == SESSION_MARK) {
            CLEANUP(buf_release) struct buf rest = BUF_INIT(SAID_MOST);
            assert(s->ops->take_mark(s, &rest) == SESSION_MARK_UNAUTHENTICATE);
        }
        store_commit(w->store);
    }
    assert(said.len == 0 || str_ends(buf_str(&said), STR("\r\n")));
    return want != SESSION_CLOSE;
}

static void check_script(struct account *a, struct str name)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MOST);
    struct sieve_script *script = NULL;
    struct sieve_error error;
    assert(account_script_get(a, name, &text) == ERR_OK);
    assert(sieve_compile(buf_str(&text), NULL, &script, &error) == ERR_OK);
    sieve_script_free(&script);
}

static void check_scripts(struct world *w)
{
    struct account *a = NULL;
    CLEANUP(buf_release) struct buf after = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct script_info info = {.name = BUF_INIT(SCRIPT_NAME_OCTETS)};
    unsigned active = 0;
    unsigned count = 0;
    assert(store_open_account(w->store, STR("ann"), true, &a) == ERR_OK);
    for (bool has_next = true; has_next;) {
        assert(account_script_next(a, buf_str(&after), &info, &has_next) == ERR_OK);
        if (has_next) {
            active += info.is_active;
            count++;
            check_script(a, buf_str(&info.name));
            buf_clear(&after);
            buf_add(&after, buf_str(&info.name));
        }
    }
    assert(active <= 1 && count <= 3);
    buf_release(&info.name);
    account_unref(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    if (size < 1) {
        return 0;
    }
    world_start(&w);
    struct managesieve_session_args args = {
        .store = w.store,
        .session_host = {.wake = wake},
        .user = STR("ann"),
        .script_most = TEXT_MOST,
        .capabilities = {.extensions = STR("fileinto"), .has_unauthenticate = true},
    };
    struct session *s = NULL;
    assert(managesieve_session_new(&args, &s) == ERR_OK);
    size_t piece = (data[0] & 1) != 0 ? 1 : 700;
    bool is_open = settle(&w, s);
    for (size_t at = 1; at < size && is_open; at += piece) {
        s->ops->feed(s, str_make((const char *)data + at, size - at < piece ? size - at : piece));
        is_open = settle(&w, s);
    }
    s->ops->free(&s);
    check_scripts(&w);
    world_end(&w);
    return 0;
}
