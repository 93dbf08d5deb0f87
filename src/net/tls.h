#ifndef LIMETTA_NET_TLS_H
#define LIMETTA_NET_TLS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TLS 1.2 and 1.3 over any stream, as server and as client (RFC 8446, RFC 5246; RFC 7525 for the choices). No
 * renegotiation, no compression, no early data. A server keeps the sessions it lets clients resume; they get ids
 * (tls_sessions.c). */
struct tls_context;

/* A server's identity. cert_pem: the certificate, then its chain; key_pem: its key, without a passphrase.
 * sessions_most: how many sessions are kept for clients to resume, each some 400 octets; 0: none. Errors: ERR_SYNTAX
 * (no PEM, no certificate, key and certificate do not fit), ERR_IO. */
MUST_USE enum err tls_server_context_new(struct str cert_pem, struct str key_pem,
                                         size_t sessions_most, struct tls_context **out);
/* What a client trusts: the certificates in anchors_pem, and nothing else; empty means the system's. A certificate in
 * anchors_pem may be the server's own: then it is pinned. Errors: ERR_SYNTAX, ERR_IO. */
MUST_USE enum err tls_client_context_new(struct str anchors_pem, struct tls_context **out);
/* Encrypts without knowing for whom: against listening, not against an active attacker (RFC 7435). For mail relays where
 * TLS is taken when offered, and for this host itself. Pass no host to tls_client_new(). Errors: ERR_IO. */
MUST_USE enum err tls_client_context_new_opportunistic(struct tls_context **out);
/* For a checker: looks at the peer's certificate as tls_client_context_new() would, and goes on whatever it finds
 * (tls_get_verdict()). Nothing secret may be said through it unless the verdict is good. anchors_pem, errors: as there. */
MUST_USE enum err tls_client_context_new_observing(struct str anchors_pem,
                                                   struct tls_context **out);
/* For links between hosts: both ends show a certificate of one authority, and believe no other; TLS 1.3. All PEM. */
struct tls_mutual {
    struct str cert_pem;
    struct str key_pem;
    struct str ca_pem;
};
/* Errors: ERR_SYNTAX (no PEM, or key and certificate do not fit), ERR_IO. */
MUST_USE enum err tls_mutual_context_new(const struct tls_mutual *m, bool is_server,
                                         struct tls_context **out);
/* What a certificate says of itself: the URIs in its subjectAltName, a space between (appended to uris, which the
 * caller made), and from when until when it is good, Unix time. Errors: ERR_SYNTAX. */
struct tls_identity {
    struct buf uris;
    int64_t from_s;
    int64_t until_s;
};
MUST_USE enum err tls_read_identity(struct str cert_pem, struct tls_identity *out);
/* The same URIs of the peer's certificate. s must be a TLS stream that is ready. Errors: ERR_SYNTAX (it showed none). */
MUST_USE enum err tls_get_peer_uris(const struct stream *s, struct buf *out);
/* Streams that use it keep it alive. */
void tls_context_free(struct tls_context **c);

/* Makes a filter over under (taken). Speaks the handshake by itself; what is written before it is done waits for it.
 * A handshake that fails, or a peer that cannot be verified, is on_end(ERR_TLS_FAILED). */
struct stream *tls_server_new(struct loop *l, struct tls_context *c, struct stream *under);
/* host: the name or address the certificate must be for (RFC 6125); empty: the chain alone decides (pinned ones). */
struct stream *tls_client_new(struct loop *l, struct tls_context *c, struct stream *under,
                              struct str host);
/* One TLSA record (RFC 6698, 2.1). Borrowed for the call. */
struct tls_anchor {
    uint8_t usage;
    uint8_t selector;
    uint8_t matching;
    struct str data;
};
/* Whom the records are about, and the records. Borrowed for the call. */
struct tls_dane {
    struct str host;
    struct str also; /* another name of it; may be empty */
    const struct tls_anchor *anchors;
    size_t anchor_count;
};
/* A client that believes the TLSA records of a mail server and nobody else (DANE, RFC 7672, 3.1): usage 2 (then the
 * certificate must be for host or also) and 3 (then no name matters). Other usages and what cannot be understood are
 * passed over; when nothing is left it encrypts for whoever answers (2.2). c: an opportunistic context. */
struct stream *tls_client_new_dane(struct loop *l, struct tls_context *c, struct stream *under,
                                   const struct tls_dane *dane);
/* Can it be used? */
bool tls_anchor_is_usable(const struct tls_anchor *a);
/* The client may come back and resume this session: a server says it of who has proven to be no stranger. Costs
 * nothing on its own: in TLS 1.3 the id leaves with the next octets written. s must be a TLS stream that is ready. */
void tls_keep_session(struct stream *s);
/* Who hears, once, that the handshake is done, before the first octets; the handler's owner is told. s must be a TLS
 * stream. */
void tls_on_ready(struct stream *s, void (*on_ready)(void *owner));
/* A server whose handshake has not begun waits with it: when the client's whole ClientHello is there, on_hello is told, once (the handler's
 * owner), and nothing is computed, and little more read, until tls_go_on(), which may be said within on_hello. */
void tls_hold(struct stream *s, void (*on_hello)(void *owner));
void tls_go_on(struct stream *s);
/* The handshake is done. s must be a TLS stream. */
bool tls_is_ready(const struct stream *s);
/* The handshake went on from a session that the client had kept. s must be a TLS stream that is ready. */
bool tls_is_resumed(const struct stream *s);
/* "TLSv1.3"; static text. */
const char *tls_get_version(const struct stream *s);
/* Appends the peer's certificate as DER; false: it showed none. s must be a TLS stream that is ready. */
bool tls_get_peer_certificate(const struct stream *s, struct buf *der);
/* What the check of the peer's certificate said: X509_V_OK (0) or the first of the X509_V_ERR_ codes; the name is part of it when a
 * host was given. s must be a TLS stream that is ready. */
int tls_get_verdict(const struct stream *s);
/* Channel binding data (RFC 5929, RFC 9266): sets *type to "tls-exporter" or "tls-unique" and appends the data.
 * False: there is none that can be trusted (not ready, or TLS 1.2 without extended master secret, RFC 7627). */
bool tls_get_binding(const struct stream *s, struct str *type, struct buf *out);

#endif
