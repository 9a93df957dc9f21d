/* Where Redis is: the --redis URL taken apart. Pure. */
#ifndef SEGUE_STORE_URL_H
#define SEGUE_STORE_URL_H

#include "common/err.h"
#include "gateway/store/server.h"

enum url_kind {
    URL_SINGLE,   /* one Redis */
    URL_SENTINEL, /* sentinels know which Redis is the master */
    URL_CLUSTER   /* any node knows which node has which slots */
};

enum {
    URL_ADDRESSES_MAX = 64
};

struct url {
    enum url_kind kind;
    bool tls;
    struct server *addresses; /* the one, or those who are asked; owned, likewise below */
    size_t count;
    char *master; /* its name among the sentinels */
    char *user;   /* NULL = none */
    char *password;
    char *sentinel_user; /* what the sentinels are told instead; NULL = the same */
    char *sentinel_password;
    unsigned database;
};

/* redis://[[user]:password@]host[:port][/db]
 * unix:///path
 * sentinel://[[user]:password@]host[:port],.../master[/db][?auth=[user]:password]
 * cluster://[[user]:password@]host[:port],...
 * and with TLS rediss://, sentinels://, clusters://. ERR_INVALID: `*why` says what is wrong,
 * without any of the text (it may hold a password). */
MUST_CHECK enum err url_parse(struct str text, struct url *url, const char **why);
void url_finish(struct url *url);

#endif
