/* What the operator chose: one table of options gives flags, environment twins, --help and
 * checks. */
#ifndef SEGUE_GATEWAY_CONFIG_H
#define SEGUE_GATEWAY_CONFIG_H

#include <stdint.h>

#include "common/log.h"
#include "common/str.h"

enum {
    CONFIG_LIST_MAX = 64
};

struct config_list {
    const char *items[CONFIG_LIST_MAX]; /* owned by the config */
    size_t count;
};

struct config_address {
    char host[64]; /* numeric IPv4 or IPv6 */
    uint16_t port;
    bool off;    /* the operator gave an empty text */
    bool chosen; /* by flag or environment, not by default */
};

/* An address range that may speak for others (X-Forwarded-For). */
struct config_range {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};

/* A topic that tells the lines of a file; borrowed from the option's text. */
struct config_feed {
    struct str name, file;
    uint64_t seconds;
};

struct config {
    struct config_address listen;
    struct config_address admin_listen;
    const char *redis; /* URL; checked by the store, which knows the forms */
    const char *redis_prefix;
    const char *redis_ca; /* files; NULL = none; likewise below */
    const char *redis_cert, *redis_key;
    const char *socketio_adapter; /* NULL or empty: off */
    const char *jwt_secret;       /* NULL = none; likewise below */
    struct config_list jwt_keys;  /* FILE or kid=FILE */
    const char *jwt_issuer;
    const char *jwt_audience;
    const char *jwt_user_claim;
    struct config_list token_cookies;
    struct config_list token_headers;
    struct config_list origins;
    struct config_list anonymous; /* names of protocols */
    struct config_list api_keys;
    struct config_list feeds; /* see config_read_feed */
    struct config_range trusted_proxies[CONFIG_LIST_MAX];
    size_t trusted_proxy_count;
    const char *livekit_key; /* these three: all or none */
    const char *livekit_secret;
    const char *livekit_url;
    uint64_t max_message;
    uint64_t max_batch;
    uint64_t max_queue;
    uint64_t rate;
    uint64_t burst;
    uint64_t connect_timeout_ms;
    uint64_t connect_rate;                /* per second; 0 = no limit */
    uint64_t user_connections, user_rate; /* these hold over all processes; 0 = no limit */
    uint64_t address_connections, address_rate;
    uint64_t max_connections; /* never 0: worked out from RLIMIT_NOFILE when not given */
    uint64_t orphan_grace_s;
    uint64_t ping_interval_ms;
    uint64_t ping_timeout_ms;
    uint64_t drain_s;
    int recovery;           /* enum config_recovery */
    int auth_failure;       /* enum config_auth_failure */
    int log_level;          /* enum log_level */
    int log_format;         /* enum log_format */
    bool check_only;        /* --check-config */
    uint64_t shown_secrets; /* bit N: the secret of row N came as a flag */
};

/* Both in the order of their words in config_value. */
enum config_recovery {
    CONFIG_RECOVERY_ON,
    CONFIG_RECOVERY_OFF,
    CONFIG_RECOVERY_ASK
};
enum config_auth_failure {
    CONFIG_AUTH_FAILURE_EVENT,
    CONFIG_AUTH_FAILURE_CONNECT_ERROR
};

enum config_outcome {
    CONFIG_RUN,
    CONFIG_DONE, /* --help or --version was printed: exit 0 */
    CONFIG_WRONG /* one line is on stderr: exit 2 */
};

/* Reads defaults, then the environment, then the flags. Raises the soft limit of open files to
 * the hard one. */
struct config *config_create(void);
enum config_outcome config_load(struct config *config, int argc, char **argv);
void config_destroy(struct config *config);

/* Whether the peer (numeric address text) is a trusted proxy. */
bool config_trusts(const struct config *config, struct str peer);
/* Whether a browser page of that Origin may connect; an empty origin (no browser) may. */
bool config_allows_origin(const struct config *config, struct str origin);
/* ... and whether it is named, not only let in with all the others by a *. */
bool config_names_origin(const struct config *config, struct str origin);
/* Whether clients of that protocol may come without a token. */
bool config_allows_anonymous(const struct config *config, const char *proto);

/* Reads an item of --feed, NAME=FILE:SECONDS. */
bool config_read_feed(struct str item, struct config_feed *feed);

#endif
