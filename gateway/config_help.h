/* What the process says about itself instead of running. */
#ifndef SEGUE_GATEWAY_CONFIG_HELP_H
#define SEGUE_GATEWAY_CONFIG_HELP_H

#include "gateway/config_value.h"

/* Prints what an option without a value asks for. `topic` (may be empty) is the word behind
 * --help; false when there is nothing about it. */
bool config_tell(const struct config_option *option, struct str topic);

#endif
