#ifndef LIMETTA_IMAP_CMD_LIST_H
#define LIMETTA_IMAP_CMD_LIST_H

#include "imap/command.h"

/* Every command, by name. A new command is a file in this folder and a word here. */
#define COMMANDS(X)                                                                                \
    X(append)                                                                                      \
    X(authenticate)                                                                                \
    X(cancelupdate)                                                                                \
    X(capability)                                                                                  \
    X(check)                                                                                       \
    X(close)                                                                                       \
    X(compress)                                                                                    \
    X(conversions)                                                                                 \
    X(convert)                                                                                     \
    X(copy)                                                                                        \
    X(copying)                                                                                     \
    X(create)                                                                                      \
    X(delete)                                                                                      \
    X(deleteacl)                                                                                   \
    X(enable)                                                                                      \
    X(esearch)                                                                                     \
    X(examine)                                                                                     \
    X(expunge)                                                                                     \
    X(fetch)                                                                                       \
    X(genurlauth)                                                                                  \
    X(getacl)                                                                                      \
    X(getmetadata)                                                                                 \
    X(granted)                                                                                     \
    X(getquota)                                                                                    \
    X(getquotaroot)                                                                                \
    X(id)                                                                                          \
    X(idle)                                                                                        \
    X(list)                                                                                        \
    X(listrights)                                                                                  \
    X(login)                                                                                       \
    X(logout)                                                                                      \
    X(lsub)                                                                                        \
    X(move)                                                                                        \
    X(myrights)                                                                                    \
    X(namespace)                                                                                   \
    X(noop)                                                                                        \
    X(notify)                                                                                      \
    X(rename)                                                                                      \
    X(replace)                                                                                     \
    X(resetkey)                                                                                    \
    X(search)                                                                                      \
    X(select)                                                                                      \
    X(setacl)                                                                                      \
    X(setmetadata)                                                                                 \
    X(setquota)                                                                                    \
    X(sort)                                                                                        \
    X(starttls)                                                                                    \
    X(status)                                                                                      \
    X(store)                                                                                       \
    X(subscribe)                                                                                   \
    X(unauthenticate)                                                                              \
    X(thread)                                                                                      \
    X(unselect)                                                                                    \
    X(unsubscribe)                                                                                 \
    X(urlfetch)                                                                                    \
    X(visible)

#define DECLARE_COMMAND(name) extern const struct command command_##name;
COMMANDS(DECLARE_COMMAND)
#undef DECLARE_COMMAND

#endif
