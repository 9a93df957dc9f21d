/* How one option's text becomes a value: inside the config, for nobody else. */
#ifndef SEGUE_GATEWAY_CONFIG_VALUE_H
#define SEGUE_GATEWAY_CONFIG_VALUE_H

#include <stddef.h>

#include "gateway/config.h"

#ifndef SEGUE_VERSION
#define SEGUE_VERSION "0.0.0-dev"
#endif

enum {
    CONFIG_WHY_MAX = 256,
    CONFIG_SHOWN_MAX = 64, /* of a wrong value, in an error */
    CONFIG_TWIN_MAX = 40   /* the name of a variable, with its NUL */
};

enum config_kind {
    KIND_ADDRESS,
    KIND_ADDRESS_OR_OFF,
    KIND_TEXT,   /* shown in errors */
    KIND_SECRET, /* never shown */
    KIND_PREFIX, /* text in front of keys; may be empty */
    KIND_NUMBER,
    KIND_LEVEL,
    KIND_FORMAT,
    KIND_RECOVERY,
    KIND_AUTH_FAILURE,
    KIND_FILES,     /* list; by flag one item each, because a path may hold a comma */
    KIND_SECRETS,   /* list; never shown; by flag one item each */
    KIND_FEEDS,     /* list; by flag one item each */
    KIND_NAMES,     /* list of cookie or header names */
    KIND_ORIGINS,   /* list */
    KIND_PROTOCOLS, /* list of protocol names */
    KIND_RANGES,    /* list of CIDRs */
    KIND_CHECK,     /* here and below: no value, no environment twin */
    KIND_HELP,      /* may be followed by a topic */
    KIND_MANUAL,
    KIND_MAN_PAGE,
    KIND_VERSION
};

struct config_option {
    const char *group; /* heading of --help, at the first option below it */
    const char *name;
    enum config_kind kind;
    size_t offset;        /* in struct config */
    const char *standard; /* default, as text; NULL = none */
    uint64_t min, max;    /* numbers: bounds; texts: bytes */
    const char *placeholder;
    const char *help; /* lines parted by \n */
};

/* The table of options, in the order of --help. */
const struct config_option *config_options(size_t *count);
/* NULL: there is none of that name. */
const struct config_option *config_find_option(struct str name);
bool config_takes_value(const struct config_option *option);
/* The name of its variable: SEGUE_MAX_MESSAGE for max-message. */
void config_twin(const struct config_option *option, char twin[CONFIG_TWIN_MAX]);

/* Stores a value in the option's field, which holds nothing that would have to be freed; lists
 * grow. A list is split at commas when `split` is set. False with a sentence in `why`, which
 * never shows a secret. */
bool config_set(struct config *config, const struct config_option *option, struct str value,
                bool split, char why[CONFIG_WHY_MAX]);
/* Frees what the field holds, so that it can be set again. */
void config_drop(struct config *config, const struct config_option *option);
/* A value as an error may show it: one line, printable, cut. Returns `to`. */
const char *config_shown(struct str value, char to[CONFIG_SHOWN_MAX]);

/* Whether the text may be an item of --origins. */
bool config_is_origin(struct str item);
/* Whether it may be one of --anonymous. */
bool config_is_protocol(struct str item);
/* Reads an item of --trusted-proxies: an address or a CIDR. */
bool config_read_range(struct str item, struct config_range *range);

#endif
