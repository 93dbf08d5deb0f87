#ifndef LIMETTA_IMAP_HOST_H
#define LIMETTA_IMAP_HOST_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What an IMAP session asks of the world around it. The store role gives one to all its sessions; tests give another. */
struct imap_host {
    /* Unix time, milliseconds. */
    uint64_t (*wall_ms)(void *owner);
    void *owner;
};

#endif
