/* Memory of parsed JSON: cJSON asks for a dozen small pieces per message, and all of them go at
 * once.
 *
 * They are cut from one block; when the last piece is given back, the whole block is free
 * again. What does not fit comes from the heap. Under a sanitizer every piece does, so that it
 * can be watched. */
#ifndef SEGUE_COMMON_JSON_MEMORY_H
#define SEGUE_COMMON_JSON_MEMORY_H

/* Makes cJSON use it; harmless when called again. */
void json_memory_setup(void);

#endif
