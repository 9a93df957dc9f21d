/* How a connection to Redis is begun. Private to store/. */
#ifndef SEGUE_STORE_DIAL_H
#define SEGUE_STORE_DIAL_H

#include <stdint.h>

struct tls;

struct dial {
    const char *host; /* a numeric address; NULL = a unix socket at `path` */
    const char *path;
    uint16_t port;
    struct tls *tls;  /* NULL = without */
    const char *name; /* whom its certificate must be for */
};

#endif
