/* base/crc32c.h - CRC-32C (Castagnoli), the checksum of Kafka record batches.
 *
 * Uses the SSE4.2 or ARMv8 instruction, three streams at a time for long input,
 * chosen at run time; a table else. mr_crc32c(0, ...) starts; pass the result to go on.
 */
#pragma once

#include "base/types.h"

uint32_t mr_crc32c(uint32_t crc, const void *bytes, size_t len);
uint32_t mr_crc32c_portable(uint32_t crc, const void *bytes, size_t len); /* for tests */
