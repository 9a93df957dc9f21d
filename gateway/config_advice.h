/* What works, but is dangerous or of no use. */
#ifndef SEGUE_GATEWAY_CONFIG_ADVICE_H
#define SEGUE_GATEWAY_CONFIG_ADVICE_H

#include "gateway/config.h"

/* Says it in the log: one warning for each option that is to be looked at. */
void config_advise(const struct config *config);

#endif
