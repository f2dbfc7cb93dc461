#include "service/intake.h"

#include "base/log.h"
#include "base/vec.h"
#include "service/rules.h"

#include <pthread.h>

enum { BURSTS_MAX = 65536 };

/* What was added between two flushes. */
struct burst {
	uint64_t last_token;
	uint64_t forwarded, dead;
	size_t bytes;
};

struct intake {
	struct broker *broker;
	struct mr_clock *clock;
	struct mr_rng rng; /* seeded once: {{uuid}} for every line must not cost a system call */
	struct rules *rules;
	struct producer *producer;
	int64_t now_ms;

	uint64_t token;
	struct burst open;
	struct burst *sent; /* a ring, oldest at first */
	size_t first, sent_count;
	size_t waiting_bytes;
	uint64_t waiting_lines;
	bool flush_failed; /* the log was full or refused; what waits must be sent again */
	bool complained;   /* a fault is logged once, until it is over */

	struct gateway_stats now; /* of the loop's thread */
	pthread_mutex_t lock;     /* of `shown` */
	struct gateway_stats shown;
};

/* The topic may have been made by hand, with more retention: it is left as it is then. */
static int ensure_dead_topic(struct broker *broker, struct mr_error *err)
{
	struct log_topic *topic;
	int rc = broker_topic_get(broker, MR_STR(DEAD_TOPIC), false, &topic, err);
	if (rc != MR_ERR_NOT_FOUND)
		return rc;
	struct broker_topic_options options = {.on_invalid = ON_INVALID_OFF};
	log_topic_config_default(&options.log);
	return broker_topic_declare(broker, MR_STR(DEAD_TOPIC), &options, err);
}

int intake_new(const struct env *env, struct broker *broker, const struct conf_gateway *conf,
	       struct intake **out, struct mr_error *err)
{
	struct intake *intake = mr_calloc(1, sizeof *intake);
	pthread_mutex_init(&intake->lock, NULL);
	intake->broker = broker;
	intake->clock = env->clock;
	intake->sent = mr_calloc(BURSTS_MAX, sizeof *intake->sent);
	rng_seed(&intake->rng, rng_next(env->rng));
	int rc = rules_compile(conf->rules, conf->rule_count, &intake->rng, &intake->rules, err);
	if (rc == 0)
		rc = ensure_dead_topic(broker, err);
	if (rc == 0)
		rc = producer_new(broker, &(struct producer_options){0}, &intake->producer, err);
	if (rc < 0) {
		intake_free(intake);
		return rc;
	}
	*out = intake;
	return 0;
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	producer_free(intake->producer);
	rules_free(intake->rules);
	pthread_mutex_destroy(&intake->lock);
	free(intake->sent);
	free(intake);
}

void intake_start_burst(struct intake *intake)
{
	intake->now_ms = clock_wall_ms(intake->clock);
}

static bool has_room(const struct intake *intake)
{
	return intake->waiting_bytes < INTAKE_BYTES_MAX && intake->sent_count < BURSTS_MAX;
}

static void count_taken(struct intake *intake, uint64_t token, size_t bytes, bool dead)
{
	intake->token = token;
	intake->open.last_token = token;
	intake->open.forwarded += !dead;
	intake->open.dead += dead;
	intake->open.bytes += bytes;
	intake->waiting_bytes += bytes;
	intake->waiting_lines++;
}

static void count_received(struct intake *intake, mr_str line)
{
	intake->now.lines++;
	intake->now.bytes += line.len;
}

/* A fault of the log, not of the line: the line waits. */
static int wait_for_log(struct intake *intake, const struct mr_error *err)
{
	if (err->code != MR_ERR_BUSY && !intake->complained) {
		mr_log_error("gateway", err);
		intake->complained = true;
	}
	intake->flush_failed = true;
	return MR_ERR_BUSY;
}

static int add_dead(struct intake *intake, mr_str line, mr_str peer, mr_str reason)
{
	struct record_header headers[] = {
	    {MR_STR("reason"), reason},
	    {MR_STR("peer"), peer},
	    {MR_STR("truncated"), MR_STR("true")},
	};
	struct mr_error err;
	size_t header_count = line.len > DEAD_BYTES_MAX ? 3 : 2;
	mr_str kept = mr_str_n(line.ptr, mr_min_size(line.len, DEAD_BYTES_MAX));
	uint64_t token = intake->token + 1;
	int rc = producer_add(intake->producer, MR_STR(DEAD_TOPIC), MR_STR_NULL, kept, headers, header_count,
			      intake->now_ms, token, &err);
	if (rc == MR_ERR_NOT_FOUND && ensure_dead_topic(intake->broker, &err) == 0)
		rc = producer_add(intake->producer, MR_STR(DEAD_TOPIC), MR_STR_NULL, kept, headers,
				  header_count, intake->now_ms, token, &err);
	if (rc)
		return wait_for_log(intake, &err);
	count_taken(intake, token, kept.len, true);
	return 0;
}

/* Is it the line's own fault that its topic does not take it? */
static bool is_refusal(int rc)
{
	return rc == BROKER_INVALID_RECORD || rc == MR_ERR_NOT_FOUND || rc == MR_ERR_INVALID ||
	       rc == MR_ERR_LIMIT;
}

static int add_event(struct intake *intake, mr_str line, mr_str peer, const struct rules_result *result)
{
	struct mr_error err;
	uint64_t token = intake->token + 1;
	int rc = producer_add(intake->producer, result->topic, MR_STR_NULL, result->event, NULL, 0,
			      intake->now_ms, token, &err);
	if (rc == 0) {
		count_taken(intake, token, result->event.len, false);
		return 0;
	}
	if (!is_refusal(rc))
		return wait_for_log(intake, &err);
	rc = add_dead(intake, line, peer, mr_str_from(err.message));
	intake->now.rule_errors += rc == 0;
	return rc;
}

int intake_line(struct intake *intake, mr_str line, mr_str peer)
{
	if (!has_room(intake))
		return MR_ERR_BUSY;
	struct rules_result result;
	struct rules_line input = {.line = line, .peer = peer, .now_ms = intake->now_ms};
	rules_apply(intake->rules, &input, &result);
	int rc = 0;
	switch (result.outcome) {
	case RULES_FORWARD:
		rc = add_event(intake, line, peer, &result);
		break;
	case RULES_STOPPED:
		intake->now.stopped++;
		break;
	default:
		rc = add_dead(intake, line, peer, result.reason);
		intake->now.unmatched += rc == 0 && result.outcome == RULES_UNMATCHED;
		intake->now.rule_errors += rc == 0 && result.outcome == RULES_ERROR;
	}
	if (rc == 0) {
		count_received(intake, line);
		intake->now.invalid_utf8 += result.mended;
	}
	return rc;
}

int intake_dead(struct intake *intake, mr_str line, mr_str peer, bool too_long, const char *reason)
{
	if (!has_room(intake))
		return MR_ERR_BUSY;
	int rc = add_dead(intake, line, peer, mr_str_from(reason));
	if (rc == 0)
		count_received(intake, line);
	intake->now.too_long += rc == 0 && too_long;
	return rc;
}

static void publish(struct intake *intake)
{
	pthread_mutex_lock(&intake->lock);
	intake->shown = intake->now;
	pthread_mutex_unlock(&intake->lock);
}

static void send_waiting(struct intake *intake)
{
	struct mr_error err;
	int rc = producer_flush(intake->producer, &err);
	intake->flush_failed = false;
	if (rc < 0)
		(void)wait_for_log(intake, &err);
	else
		intake->complained = false;
}

void intake_flush(struct intake *intake)
{
	struct burst *open = &intake->open;
	if (open->forwarded + open->dead > 0) {
		/* has_room kept a place free. */
		intake->sent[(intake->first + intake->sent_count++) % BURSTS_MAX] = *open;
		*open = (struct burst){0};
		send_waiting(intake);
	}
	publish(intake);
}

bool intake_progress(struct intake *intake)
{
	if (intake->flush_failed)
		send_waiting(intake);
	uint64_t safe = producer_safe_token(intake->producer);
	while (intake->sent_count && intake->sent[intake->first].last_token <= safe) {
		const struct burst *b = &intake->sent[intake->first];
		intake->now.forwarded += b->forwarded;
		intake->now.dead += b->dead;
		intake->waiting_bytes -= b->bytes;
		intake->waiting_lines -= b->forwarded + b->dead;
		intake->first = (intake->first + 1) % BURSTS_MAX;
		intake->sent_count--;
	}
	publish(intake);
	return !intake->flush_failed && intake->waiting_bytes < INTAKE_BYTES_MAX / 2;
}

bool intake_idle(const struct intake *intake)
{
	return intake->sent_count == 0 && intake->waiting_lines == 0;
}

uint64_t intake_waiting(const struct intake *intake)
{
	return intake->waiting_lines;
}

void intake_connection(struct intake *intake, int change)
{
	intake->now.connections += change > 0;
	intake->now.connections_open += (uint64_t)(int64_t)change;
	publish(intake);
}

void intake_stats(struct intake *intake, struct gateway_stats *out)
{
	pthread_mutex_lock(&intake->lock);
	*out = intake->shown;
	pthread_mutex_unlock(&intake->lock);
}
