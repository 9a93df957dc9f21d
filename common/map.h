/* Hash maps (uthash) whose keys outsiders may choose: SipHash-1-3 with a key that is random in
 * each process, so that nobody can aim at one bucket and make every look-up a walk. Included
 * instead of uthash.h. */
#ifndef SEGUE_COMMON_MAP_H
#define SEGUE_COMMON_MAP_H

#include <stddef.h>
#include <stdint.h>

uint64_t map_hash(const void *bytes, size_t len);
/* Pure: for the hash's own examples. */
uint64_t map_hash_with(const uint64_t key[2], const void *bytes, size_t len);

#define HASH_FUNCTION(bytes, len, hash) ((hash) = (unsigned)map_hash((bytes), (len)))
#include <uthash.h>

#endif
