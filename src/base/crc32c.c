#include "base/crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */

static uint32_t byte_table[256];

/* Three lanes of LANE bytes run in parallel to hide the instruction's latency of three
 * cycles; lane_table advances a CRC over LANE zero bytes so that the lanes can be joined. */
#define LANE 1024
static uint32_t lane_table[4][256];

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
	return (crc >> 8) ^ byte_table[(crc ^ byte) & 0xff];
}

static uint32_t (*crc_chosen)(uint32_t, const uint8_t *, size_t);

static uint32_t crc_table(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--)
		crc = crc_byte(crc, *p++);
	return crc;
}

static uint32_t lane_shift(uint32_t crc)
{
	return lane_table[0][crc & 0xff] ^ lane_table[1][(crc >> 8) & 0xff] ^
	       lane_table[2][(crc >> 16) & 0xff] ^ lane_table[3][crc >> 24];
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE_TARGET __attribute__((target("sse4.2")))
#define CRC_U8(crc, v) _mm_crc32_u8((crc), (v))
#define CRC_U64(crc, v) (uint32_t) _mm_crc32_u64((crc), (v))
static bool hardware_present(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE_TARGET __attribute__((target("+crc")))
#define CRC_U8(crc, v) __crc32cb((crc), (v))
#define CRC_U64(crc, v) __crc32cd((crc), (v))
static bool hardware_present(void)
{
	return getauxval(AT_HWCAP) & (1 << 7); /* HWCAP_CRC32 */
}
#endif

#ifdef HARDWARE_TARGET
static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

HARDWARE_TARGET static uint32_t crc_hardware(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len >= 3 * LANE) {
		uint32_t b = 0, c = 0;
		for (size_t i = 0; i < LANE; i += 8) {
			crc = CRC_U64(crc, load64(p + i));
			b = CRC_U64(b, load64(p + LANE + i));
			c = CRC_U64(c, load64(p + 2 * LANE + i));
		}
		crc = lane_shift(lane_shift(crc) ^ b) ^ c;
		p += 3 * LANE;
		len -= 3 * LANE;
	}
	while (len >= 8) {
		crc = CRC_U64(crc, load64(p));
		p += 8;
		len -= 8;
	}
	while (len--)
		crc = CRC_U8(crc, *p++);
	return crc;
}
#endif

static __attribute__((constructor)) void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
		byte_table[i] = crc;
	}
	/* Linear over GF(2): what 32 single bits become gives all 1,024 entries, 2 ms sooner. */
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t crc = 1u << bit;
		for (int n = 0; n < LANE; n++)
			crc = crc_byte(crc, 0);
		uint32_t *lane = lane_table[bit / 8];
		uint32_t step = 1u << bit % 8;
		for (uint32_t i = 0; i < step; i++)
			lane[step + i] = lane[i] ^ crc;
	}
	crc_chosen = crc_table;
#ifdef HARDWARE_TARGET
	if (hardware_present())
		crc_chosen = crc_hardware;
#endif
}

uint32_t mr_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	return ~crc_chosen(~crc, bytes, len);
}

uint32_t mr_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
	return ~crc_table(~crc, bytes, len);
}
