/* The manual: as text for a terminal and as the source of segue(8). */
#ifndef SEGUE_GATEWAY_CONFIG_MANUAL_H
#define SEGUE_GATEWAY_CONFIG_MANUAL_H

#include "common/buf.h"

enum config_form {
    CONFIG_FORM_TEXT, /* 80 columns */
    CONFIG_FORM_ROFF  /* for man(1) */
};

/* Adds all of it. */
void config_manual(struct buf *to, enum config_form form);
/* Adds the part that is about an option (`rate`, `--rate`) or a chapter (`signals`), as text;
 * false when there is none. */
bool config_manual_part(struct buf *to, struct str topic);

#endif
