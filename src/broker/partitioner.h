/* broker/partitioner.h - which partition a key belongs to: Kafka's default partitioner, so that
 * records of one key meet in one partition whoever produced them. */
#pragma once

#include "base/types.h"

/* MurmurHash2, 32 bits, with the seed that Kafka's clients use. */
uint32_t partitioner_murmur2(mr_str key);
/* partitions > 0; the key is not null (an empty one is a key). */
int32_t partitioner_pick(mr_str key, int32_t partitions);
