/* What the dialogues share: how a conversation that ended early is told, a login, and the test message. */
#include "tools/check_dialogue.h"

#include "base/base64.h"
#include "tools/check_octets.h"

#include <time.h>

enum { DATE_SIZE = 64 };

bool check_went_well(const struct check_dialogue *d, enum talk_result r, const char *during)
{
    switch (r) {
    case TALK_OK:
        return true;
    case TALK_SILENT:
        check_find(d->leg, FINDING_ANSWER_MISSING, "no whole answer to %s within %llu s", during,
                   (unsigned long long)(d->talk->timeout_ms / 1000));
        return false;
    case TALK_CLOSED:
        check_find(d->leg, FINDING_CONNECTION_CUT, "the connection was ended during %s", during);
        return false;
    case TALK_BROKEN:
        check_find(d->leg, FINDING_CONNECTION_CUT, "the connection was reset during %s", during);
        return false;
    case TALK_NO_TLS:
        check_find(d->leg, FINDING_TLS_FAILED, "TLS broke during %s", during);
        return false;
    case TALK_FOREIGN:
        check_find(d->leg, FINDING_ANSWER_FOREIGN, "the answer to %s is not of this protocol",
                   during);
        return false;
    }
    return false;
}

void check_plain_write(const struct check_dialogue *d, struct buf *out)
{
    size_t n = d->user.n + d->password.n + 2;
    struct buf secret = BUF_INIT(n);
    (void)buf_reserve(&secret, n);
    buf_add_char(&secret, '\0');
    buf_add(&secret, d->user);
    buf_add_char(&secret, '\0');
    buf_add(&secret, d->password);
    base64_write(out, buf_str(&secret));
    buf_wipe(&secret);
}

void check_message_write(const struct check_dialogue *d, bool is_binary, struct buf *out)
{
    char date[DATE_SIZE] = "";
    time_t now = (time_t)(d->wall_ms / 1000);
    struct tm tm;
    if (gmtime_r(&now, &tm) != NULL) {
        (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    }
    buf_addf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_ARG(d->address), STR_ARG(d->address));
    buf_addf(out, "Subject: limetta check %.*s\r\nDate: %s\r\n", STR_ARG(d->unique), date);
    buf_addf(out, "Message-ID: <limetta-check-%.*s@limetta.invalid>\r\n", STR_ARG(d->unique));
    buf_addf(out, "MIME-Version: 1.0\r\nContent-Type: %s\r\n",
             is_binary ? "application/octet-stream" : "text/plain; charset=utf-8");
    buf_addf(out, "Content-Transfer-Encoding: %s\r\n\r\n", is_binary ? "binary" : "8bit");
    check_octets_write(out, is_binary);
}
