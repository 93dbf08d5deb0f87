/* The first message of a TLS client, seen from outside.
 *
 *     record:   22, version (2), length (2), then so many octets of
 *     message:  1 (client_hello), length (3), then so many octets
 *
 * A message may be cut into several records (RFC 8446, 5.1). An OpenSSL object with its buffers is some 50 KB, and strangers
 * who stop amid their ClientHello would have us hold one for each; so the octets are gathered first (tls.c), and this says when they are
 * enough. What does not look like a ClientHello is enough at once: TLS will say why it is refused. */
#include "net/tls_hello.h"

enum { RECORD_HEADER = 5, MESSAGE_HEADER = 4, TYPE_HANDSHAKE = 22, TYPE_HELLO = 1 };
enum { RECORD_MOST = 16 * 1024 };

static size_t get_octet(struct str s, size_t at)
{
    return (unsigned char)s.p[at];
}

/* The message's header, as far as it is known. */
struct header {
    size_t known;
    size_t value; /* type and length */
};

static void add(struct header *h, struct str payload)
{
    for (size_t i = 0; i < payload.n && h->known < MESSAGE_HEADER; i++) {
        h->value = h->value << 8 | get_octet(payload, i);
        h->known++;
    }
}

enum err tls_hello_look(struct str octets, size_t *least)
{
    struct header h = {0};
    size_t got = 0; /* octets of the message */
    size_t at = 0;
    *least = octets.n;
    while (at + RECORD_HEADER <= octets.n) {
        size_t len = get_octet(octets, at + 3) << 8 | get_octet(octets, at + 4);
        if (get_octet(octets, at) != TYPE_HANDSHAKE || len == 0 || len > RECORD_MOST) {
            return ERR_OK;
        }
        struct str payload = str_sub(octets, at + RECORD_HEADER, len);
        add(&h, payload);
        got += payload.n;
        at += RECORD_HEADER + len;
        size_t message = h.known == MESSAGE_HEADER ? MESSAGE_HEADER + (h.value & 0xffffff) : 0;
        if (h.known == MESSAGE_HEADER && (h.value >> 24 != TYPE_HELLO || got >= message)) {
            return ERR_OK;
        }
        if (message > TLS_HELLO_MOST || at > TLS_HELLO_OCTETS_MOST) {
            return ERR_TLS_FAILED;
        }
        if (at > octets.n) {
            /* the rest of the record, or less when the message ends before it does */
            size_t missing = message > 0 ? message - got : 1;
            *least = octets.n + (missing < at - octets.n ? missing : at - octets.n);
            return ERR_OK;
        }
    }
    *least = at + RECORD_HEADER;
    return ERR_OK;
}
