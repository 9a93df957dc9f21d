/* Memory that is there or the process is not: allocation never returns NULL. A size that an
 * outsider chooses is checked against a limit before it comes here. */
#ifndef SEGUE_COMMON_MEM_H
#define SEGUE_COMMON_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size); /* not cleared */
void *mem_zero(size_t size);  /* cleared */
void *mem_grow(void *at, size_t size);
char *mem_copy(const char *at, size_t len); /* with a NUL behind it */
void mem_free(void *at);

#endif
