#include "dag/retry.h"

#include "base/buf.h"
#include "dag/civil.h"

#include <math.h>
#include <openssl/sha.h>

#define WAIT_MAX_S (24 * 60 * 60)

/* As Python prints a datetime: a space where ISO has a T. A run without a logical date is None. */
static void put_date(struct mr_buf *out, int64_t us)
{
	char text[CIVIL_ISO_BYTES];
	if (us == NO_TIME) {
		mr_buf_cstr(out, "None");
		return;
	}
	civil_iso(text, us);
	*strchr(text, 'T') = ' ';
	mr_buf_cstr(out, text);
}

/* The digest as one big number, modulo m. */
static uint64_t digest_mod(const uint8_t digest[SHA_DIGEST_LENGTH], uint64_t m)
{
	unsigned __int128 rest = 0;
	for (int i = 0; i < SHA_DIGEST_LENGTH; i++)
		rest = (rest * 256 + digest[i]) % m;
	return (uint64_t)rest;
}

int64_t retry_wait_us(mr_str dag_id, const struct dag_task *task, int64_t logical_date_us, int32_t try_number)
{
	double multiplier = task->retry_exponential_backoff;
	if (multiplier <= 0 || multiplier == 1)
		return task->retry_delay_us;
	double grown =
	    ceil((double)task->retry_delay_us / (double)SECOND_US * pow(multiplier, try_number - 1));
	/* Beyond this the jitter cannot matter any more: the wait is at its most. */
	double base = fmin(fmax(grown, 1), 9e15);
	struct mr_buf key = {0};
	mr_buf_printf(&key, "%.*s#%.*s#", MR_FMT(dag_id), MR_FMT(task->id));
	put_date(&key, logical_date_us);
	mr_buf_printf(&key, "#%d", try_number);
	uint8_t digest[SHA_DIGEST_LENGTH];
	SHA1((const uint8_t *)key.ptr, key.len, digest);
	mr_buf_release(&key);
	int64_t wait_s = (int64_t)base + (int64_t)digest_mod(digest, (uint64_t)base);
	int64_t wait_us = mr_min_i64(wait_s, WAIT_MAX_S) * SECOND_US;
	return task->max_retry_delay_us ? mr_min_i64(wait_us, task->max_retry_delay_us) : wait_us;
}
