/* One setting a host, a message of net/fields.h that the supervisor made of a section of limetta.conf. Each host has a TLS context of
 * its own, because each may have certificates of its own that are trusted for it alone. */
#include "main/burl_hosts.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>

enum { IMAP_PORT = 143, HOSTS_MOST = 64 };

static struct str get_setting(const struct boot *b, size_t i)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "burl.%zu", i);
    return boot_get(b, str_from_c(key));
}

static enum burl_tls get_tls(const struct fields *f)
{
    struct str tls = fields_get(f, STR("tls"));
    if (str_eq(tls, STR("immediate"))) {
        return BURL_TLS_IMMEDIATE;
    }
    return str_eq(tls, STR("off")) ? BURL_TLS_OFF : BURL_TLS_REQUIRED;
}

static enum err host_init(struct burl_host *h, const struct fields *f, struct str own_password)
{
    *h = (struct burl_host){
        .name = fields_get(f, STR("host")),
        .port = (uint16_t)fields_get_u64(f, STR("port"), IMAP_PORT),
        .address = fields_get(f, STR("address")),
        .tls = get_tls(f),
        .user = fields_get(f, STR("user")),
        .password = fields_get(f, STR("password")),
    };
    if (h->password.n == 0) {
        h->password = own_password; /* our own store, reached through an edge on another host */
    }
    if (h->tls == BURL_TLS_OFF) {
        return ERR_OK;
    }
    return tls_client_context_new(fields_get(f, STR("ca")), &h->tls_context);
}

static size_t count_hosts(const struct boot *b)
{
    size_t count = 0;
    while (count < HOSTS_MOST && get_setting(b, count).n > 0) {
        count++;
    }
    return count;
}

enum err burl_hosts_init(struct burl_hosts *hosts, const struct boot *b)
{
    *hosts = (struct burl_hosts){.at = NULL};
    size_t count = count_hosts(b);
    if (count == 0) {
        return ERR_OK;
    }
    hosts->at = mem_new(count * sizeof(*hosts->at));
    hosts->fields = mem_new(count * sizeof(*hosts->fields));
    for (size_t i = 0; i < count; i++) {
        TRY(fields_parse(get_setting(b, i), &hosts->fields[i]));
        hosts->count++;
        enum err e =
            host_init(&hosts->at[i], &hosts->fields[i], boot_get(b, STR("submit_password")));
        if (e != ERR_OK) {
            log_error("burl \"%.*s\": its ca_file holds no certificate that can be used",
                      STR_ARG(hosts->at[i].name));
            return e;
        }
    }
    return ERR_OK;
}

void burl_hosts_release(struct burl_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        tls_context_free(&hosts->at[i].tls_context);
        fields_release(&hosts->fields[i]);
    }
    free(hosts->at);
    free(hosts->fields);
    *hosts = (struct burl_hosts){.at = NULL};
}
