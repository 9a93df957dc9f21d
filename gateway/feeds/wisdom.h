/* The lines of the feed that is always there. */
#ifndef SEGUE_FEEDS_WISDOM_H
#define SEGUE_FEEDS_WISDOM_H

#include "common/str.h"

struct str wisdom_text(void);

#endif
