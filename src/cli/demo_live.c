#include "cli/demo_live.h"

#include "base/mem.h"
#include "cli/demo_ledger.h"
#include "cli/print.h"
#include "service/player.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct live {
	const struct demo_live *options;
	struct mr_clock *clock;
	uint64_t total;
	int64_t *sent_us; /* when line i was written */
	uint64_t marked;  /* lines of which sent_us is set: the sender's */
	_Atomic uint64_t sent;
	_Atomic bool done;
	int rc;
	struct mr_error err;
	uint32_t *waits_us; /* of line i, until SQL saw it */
	uint64_t seen;
};

static void mark_sent(void *arg, uint64_t sent)
{
	struct live *live = arg;
	int64_t now_us = clock_mono_us(live->clock);
	while (live->marked < sent)
		live->sent_us[live->marked++] = now_us;
	atomic_store(&live->sent, sent);
}

static void *send_thread(void *arg)
{
	struct live *live = arg;
	struct player_options play = {.address = live->options->address,
				      .lines = live->options->lines,
				      .prefix = "live",
				      .count = live->total,
				      .rate = live->options->rate,
				      .fresh_times = true,
				      .stop = live->options->stop,
				      .on_sent = mark_sent,
				      .arg = live};
	uint64_t sent;
	live->rc = player_run(&play, &sent, &live->err);
	atomic_store(&live->done, true);
	return NULL;
}

/* What SQL sees now: rows, and dead letters (there are few, they are counted in memory). */
static int count_seen(struct live *live, uint64_t *out, struct mr_error *err)
{
	int64_t rows = 0;
	int rc = demo_number(live->options->app, "SELECT count(*) FROM bronze.access_log", &rows, err);
	struct gateway_stats stats;
	struct broker_topic_stats topic;
	gateway_stats(app_gateway(live->options->app), &stats);
	broker_topic_stats(app_broker(live->options->app), MR_STR("logs-access"), &topic);
	uint64_t all = (uint64_t)rows + stats.dead + topic.invalid;
	*out = all > live->options->sent_before ? all - live->options->sent_before : 0;
	return rc;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double percentile_ms(uint32_t *waits, uint64_t count, double part)
{
	if (!count)
		return 0;
	qsort(waits, count, sizeof *waits, by_value);
	uint64_t at = (uint64_t)((double)count * part);
	return (double)waits[at < count ? at : count - 1] / 1000;
}

static void print_second(struct live *live, uint64_t from, int second)
{
	uint64_t count = live->seen - from;
	uint32_t *copy = mr_alloc((count + 1) * sizeof *copy);
	memcpy(copy, live->waits_us + from, count * sizeof *copy);
	fprintf(stderr, "  %2d s  %6llu lines/s   event to queryable: p50 %5.1f ms, p99 %5.1f ms\n", second,
		(unsigned long long)count, percentile_ms(copy, count, 0.5), percentile_ms(copy, count, 0.99));
	free(copy);
}

static int watch(struct live *live, struct mr_error *err)
{
	int64_t start_us = clock_mono_us(live->clock), next_us = start_us + 1000000;
	uint64_t second_from = 0;
	int second = 0, rc = 0;
	while (rc == 0 && !(live->done && live->seen >= live->sent) && !*live->options->stop) {
		uint64_t visible;
		rc = count_seen(live, &visible, err);
		int64_t now_us = clock_mono_us(live->clock);
		uint64_t sent = live->sent;
		for (visible = visible < sent ? visible : sent; live->seen < visible; live->seen++)
			live->waits_us[live->seen] = (uint32_t)(now_us - live->sent_us[live->seen]);
		if (now_us >= next_us) {
			print_second(live, second_from, ++second);
			second_from = live->seen;
			next_us += 1000000;
		}
		if (now_us - start_us > (live->options->seconds + 30) * (int64_t)1000000)
			rc = mr_fail(err, MR_ERR_TIMEOUT, "%llu live lines were sent, SQL sees %llu",
				     (unsigned long long)sent, (unsigned long long)live->seen);
		nanosleep(&(struct timespec){0, 2000000}, NULL);
	}
	return rc;
}

int demo_live_run(const struct demo_live *options, uint64_t *sent_out, struct mr_error *err)
{
	struct live live = {.options = options, .clock = env_linux()->clock};
	live.total = (uint64_t)(options->rate * options->seconds);
	live.sent_us = mr_calloc(live.total, sizeof *live.sent_us);
	live.waits_us = mr_calloc(live.total, sizeof *live.waits_us);
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, send_thread, &live);
	MR_ASSERT(rc == 0);
	rc = watch(&live, err);
	pthread_join(thread, NULL);
	if (rc == 0 && live.rc < 0) {
		*err = live.err;
		rc = live.rc;
	}
	if (rc == 0 && *options->stop)
		rc = mr_fail(err, MR_ERR_CANCELLED, "interrupted");
	if (rc == 0)
		fprintf(
		    stderr,
		    "  all    %6llu lines      event to queryable: p50 %5.1f ms, p99 %5.1f ms (durable)\n",
		    (unsigned long long)live.seen, percentile_ms(live.waits_us, live.seen, 0.5),
		    percentile_ms(live.waits_us, live.seen, 0.99));
	*sent_out = live.sent;
	free(live.sent_us);
	free(live.waits_us);
	return rc;
}
