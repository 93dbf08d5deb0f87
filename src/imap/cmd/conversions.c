/* CONVERSIONS (RFC 5259, 5): what this machine converts to what, from the registry. */
#include "imap/cmd/list.h"

#include "convert/service.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

struct conversions_args {
    struct str from;
    struct str to;
    size_t at;
};

static struct str scan_type(struct scan *c, struct arena *a)
{
    scan_sp(c);
    size_t start = c->at;
    struct str s = scan_astring(c, a);
    if (scan_is_ok(c) && !convert_is_type(s, true)) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a media type, type/* or *");
    }
    return s;
}

static void parse_conversions(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct conversions_args *args = arena_one(cmd->arena, struct conversions_args);
    (void)s;
    cmd->args = args;
    args->from = scan_type(c, cmd->arena);
    args->to = scan_type(c, cmd->arena);
}

static void write_conversion(struct buf *out, const struct convert_pair *pair)
{
    const char *before = " (";
    buf_addf(out, "* CONVERSION \"%.*s\" \"%.*s\"", STR_ARG(pair->from), STR_ARG(pair->to));
    for (unsigned p = 1; p < PARAM_END; p <<= 1) {
        if ((pair->params & p) != 0) {
            struct str name = convert_param_name((enum convert_param)p);
            buf_addf(out, "%s\"%.*s\"", before, STR_ARG(name));
            before = " ";
        }
    }
    buf_add_c(out, pair->params != 0 ? ")" : "");
    imap_write_crlf(out);
}

static enum run run_conversions(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct conversions_args *args = cmd->args;
    const struct convert_service *service = s->args.host->convert;
    unsigned tools = service == NULL ? 0 : convert_service_get_tools(service);
    struct convert_pair pair;
    while (convert_next_pair(&args->at, &pair)) {
        if (convert_has(tools, &pair) && convert_matches(args->from, pair.from)
            && convert_matches(args->to, pair.to)) {
            write_conversion(out, &pair);
        }
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
    }
    return RUN_DONE;
}

const struct command command_conversions = {
    .name = STR("CONVERSIONS"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .parse = parse_conversions,
    .run = run_conversions,
};
