/* Which requests are answered with JSON: one row each. */
#include "gateway/proto/rest.h"

const struct endpoint rest_table[] = {
    {0},
};
