#include "share/partition.h"

void share_partition_init(struct share_partition *p, int64_t start)
{
	*p = (struct share_partition){.start = start, .end = start};
}

void share_partition_release(struct share_partition *p)
{
	mr_vec_release(&p->ranges);
	mr_vec_release(&p->dirty);
	*p = (struct share_partition){0};
}

static int64_t width(const struct share_range *r)
{
	return r->last - r->first + 1;
}

static bool is_done(const struct share_range *r)
{
	return r->state == SHARE_ACKNOWLEDGED || r->state == SHARE_ARCHIVED;
}

/* ---- ranges ---- */

/* The index of the range that holds offset, which is in [start, end). */
static size_t find(const struct share_partition *p, int64_t offset)
{
	size_t low = 0, high = p->ranges.len;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (p->ranges.items[middle].first <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void insert(struct share_ranges *ranges, size_t at, const struct share_range *range)
{
	mr_vec_push(ranges, *range);
	memmove(&ranges->items[at + 1], &ranges->items[at], (ranges->len - 1 - at) * sizeof *ranges->items);
	ranges->items[at] = *range;
}

/* Have a range begin at offset, which is in [start, end]; its index. */
static size_t split(struct share_partition *p, int64_t offset)
{
	if (offset == p->end)
		return p->ranges.len;
	size_t i = find(p, offset);
	struct share_range *r = &p->ranges.items[i];
	if (r->first == offset)
		return i;
	struct share_range rest = *r;
	r->last = offset - 1;
	rest.first = offset;
	insert(&p->ranges, i + 1, &rest);
	return i + 1;
}

static bool alike(const struct share_range *a, const struct share_range *b)
{
	return a->state == b->state && a->deliveries == b->deliveries && a->owner == b->owner &&
	       a->deadline_ms == b->deadline_ms;
}

/* Make one of neighbours that are alike, and drop what is done with at the front. */
static void tidy(struct share_partition *p)
{
	size_t kept = 0, from = 0;
	while (from < p->ranges.len && is_done(&p->ranges.items[from]))
		from++;
	if (from) {
		p->start = from < p->ranges.len ? p->ranges.items[from].first : p->end;
		p->start_moved = true;
	}
	for (size_t i = from; i < p->ranges.len; i++) {
		const struct share_range r = p->ranges.items[i];
		if (kept && alike(&p->ranges.items[kept - 1], &r))
			p->ranges.items[kept - 1].last = r.last;
		else
			p->ranges.items[kept++] = r;
	}
	p->ranges.len = kept;
}

static void note(struct share_partition *p, const struct share_range *r)
{
	struct share_range noted = *r;
	noted.owner = 0;
	noted.deadline_ms = 0;
	mr_vec_push(&p->dirty, noted);
}

/* ---- delivering ---- */

/* One past the last record that may be in flight. */
static int64_t window_end(const struct share_partition *p, const struct share_limits *limits)
{
	return mr_max_i64(p->start + limits->locks_max, p->end);
}

int64_t share_partition_next(const struct share_partition *p, const struct share_limits *limits)
{
	for (size_t i = 0; i < p->ranges.len; i++) {
		if (p->ranges.items[i].state == SHARE_AVAILABLE)
			return p->ranges.items[i].first;
	}
	return p->end < window_end(p, limits) ? p->end : -1;
}

/* Let the window reach to `end`: what comes into it is available. */
static void extend(struct share_partition *p, int64_t end)
{
	if (end <= p->end)
		return;
	struct share_range fresh = {.first = p->end, .last = end - 1, .state = SHARE_AVAILABLE};
	mr_vec_push(&p->ranges, fresh);
	p->end = end;
}

static int64_t acquire_span(struct share_partition *p, const struct share_limits *limits,
			    const struct share_acquire *in, struct share_span span, int64_t most,
			    struct share_ranges *out)
{
	int64_t got = 0;
	for (size_t i = split(p, span.first); got < most && i < p->ranges.len; i++) {
		struct share_range *r = &p->ranges.items[i];
		if (r->first > span.last)
			break;
		if (r->state != SHARE_AVAILABLE)
			continue;
		int64_t last = mr_min_i64(r->last, span.last);
		last = r->first + mr_min_i64(last - r->first + 1, most - got) - 1;
		split(p, last + 1);
		r = &p->ranges.items[i];
		r->state = SHARE_ACQUIRED;
		r->deliveries++;
		r->owner = in->owner;
		r->deadline_ms = in->now_ms + limits->lock_ms;
		mr_vec_push(out, *r);
		got += width(r);
	}
	return got;
}

int64_t share_partition_acquire(struct share_partition *p, const struct share_limits *limits,
				const struct share_acquire *in, struct share_ranges *out)
{
	int64_t got = 0, until = window_end(p, limits), at = in->from;
	for (size_t i = 0; i < in->batch_count && got < in->records_max; i++) {
		struct share_span span = in->batches[i];
		span.first = mr_max_i64(span.first, p->start);
		span.last = mr_min_i64(span.last, until - 1);
		if (span.first > span.last)
			continue;
		if (span.first > at) /* compaction took what was there */
			share_partition_archive(p, at, span.first - 1);
		extend(p, span.last + 1);
		at = span.last + 1;
		got += acquire_span(p, limits, in, span, in->strict ? in->records_max - got : INT64_MAX, out);
	}
	tidy(p);
	return got;
}

/* ---- acknowledging ---- */

static enum share_outcome check_batch(const struct share_partition *p, const struct share_limits *limits,
				      uint64_t owner, const struct share_ack_batch *b, int64_t after)
{
	if (b->first > b->last || b->first <= after || b->first < 0 || b->type_count == 0)
		return SHARE_INVALID_REQUEST;
	if (b->type_count != 1 && (int64_t)b->type_count != b->last - b->first + 1)
		return SHARE_INVALID_REQUEST;
	for (size_t i = 0; i < b->type_count; i++) {
		if (b->types[i] < SHARE_GAP || b->types[i] > SHARE_RENEW)
			return SHARE_INVALID_REQUEST;
		if (b->types[i] == SHARE_RENEW && limits->no_renewal)
			return SHARE_INVALID_STATE;
	}
	if (b->last < p->start)
		return SHARE_OK;
	if (b->last >= p->end)
		return SHARE_INVALID_REQUEST;
	for (size_t i = find(p, mr_max_i64(b->first, p->start)); i < p->ranges.len; i++) {
		const struct share_range *r = &p->ranges.items[i];
		if (r->first > b->last)
			break;
		if (r->state != SHARE_ACQUIRED || r->owner != owner)
			return SHARE_INVALID_STATE;
	}
	return SHARE_OK;
}

static void let_go(struct share_partition *p, struct share_range *r, enum share_state state)
{
	r->state = state;
	r->owner = 0;
	r->deadline_ms = 0;
	note(p, r);
}

static enum share_state after_release(const struct share_range *r, const struct share_limits *limits)
{
	return r->deliveries >= limits->deliveries_max ? SHARE_ARCHIVED : SHARE_AVAILABLE;
}

static void apply_ack(struct share_partition *p, const struct share_limits *limits, int64_t now_ms,
		      struct share_span span, enum share_ack type)
{
	if (span.last < p->start)
		return;
	split(p, span.last + 1);
	for (size_t i = split(p, mr_max_i64(span.first, p->start)); i < p->ranges.len; i++) {
		struct share_range *r = &p->ranges.items[i];
		if (r->first > span.last)
			break;
		if (type == SHARE_RENEW)
			r->deadline_ms = now_ms + limits->lock_ms;
		else
			let_go(p, r,
			       type == SHARE_ACCEPT    ? SHARE_ACKNOWLEDGED
			       : type == SHARE_RELEASE ? after_release(r, limits)
						       : SHARE_ARCHIVED);
	}
}

static void apply_batch(struct share_partition *p, const struct share_limits *limits, int64_t now_ms,
			const struct share_ack_batch *b)
{
	if (b->type_count == 1) {
		apply_ack(p, limits, now_ms, (struct share_span){b->first, b->last},
			  (enum share_ack)b->types[0]);
		return;
	}
	for (size_t i = 0; i < b->type_count;) {
		size_t end = i;
		while (end < b->type_count && b->types[end] == b->types[i])
			end++;
		struct share_span span = {b->first + (int64_t)i, b->first + (int64_t)end - 1};
		apply_ack(p, limits, now_ms, span, (enum share_ack)b->types[i]);
		i = end;
	}
}

enum share_outcome share_partition_acknowledge(struct share_partition *p, const struct share_limits *limits,
					       uint64_t owner, int64_t now_ms,
					       const struct share_ack_batch *batches, size_t count)
{
	int64_t after = -1;
	for (size_t i = 0; i < count; i++) {
		enum share_outcome outcome = check_batch(p, limits, owner, &batches[i], after);
		if (outcome != SHARE_OK)
			return outcome;
		after = batches[i].last;
	}
	for (size_t i = 0; i < count; i++)
		apply_batch(p, limits, now_ms, &batches[i]);
	tidy(p);
	return SHARE_OK;
}

bool share_partition_give_up(struct share_partition *p, const struct share_limits *limits, uint64_t owner)
{
	bool any = false;
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct share_range *r = &p->ranges.items[i];
		if (r->state != SHARE_ACQUIRED || r->owner != owner)
			continue;
		let_go(p, r, after_release(r, limits));
		any = true;
	}
	tidy(p);
	return any;
}

int64_t share_partition_expire(struct share_partition *p, const struct share_limits *limits, int64_t now_ms)
{
	int64_t lost = 0;
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct share_range *r = &p->ranges.items[i];
		if (r->state != SHARE_ACQUIRED || r->deadline_ms > now_ms)
			continue;
		lost += width(r);
		let_go(p, r, after_release(r, limits));
	}
	tidy(p);
	return lost;
}

int64_t share_partition_deadline(const struct share_partition *p)
{
	int64_t earliest = INT64_MAX;
	for (size_t i = 0; i < p->ranges.len; i++) {
		if (p->ranges.items[i].state == SHARE_ACQUIRED)
			earliest = mr_min_i64(earliest, p->ranges.items[i].deadline_ms);
	}
	return earliest;
}

/* ---- what the log does ---- */

void share_partition_archive(struct share_partition *p, int64_t first, int64_t last)
{
	first = mr_max_i64(first, p->start);
	if (first > last)
		return;
	extend(p, last + 1);
	split(p, last + 1);
	for (size_t i = split(p, first); i < p->ranges.len && p->ranges.items[i].first <= last; i++) {
		if (p->ranges.items[i].state == SHARE_AVAILABLE)
			let_go(p, &p->ranges.items[i], SHARE_ARCHIVED);
	}
}

void share_partition_set_start(struct share_partition *p, int64_t start)
{
	if (start >= p->end) {
		p->ranges.len = 0;
		p->end = start;
	} else if (start > p->start) {
		size_t from = split(p, start);
		memmove(p->ranges.items, &p->ranges.items[from],
			(p->ranges.len - from) * sizeof *p->ranges.items);
		p->ranges.len -= from;
	}
	p->start = start;
}

bool share_partition_trim(struct share_partition *p, int64_t start)
{
	if (start <= p->start)
		return false;
	share_partition_set_start(p, start);
	p->start_moved = true;
	tidy(p);
	return true;
}

int64_t share_partition_done_count(const struct share_partition *p)
{
	int64_t done = 0;
	for (size_t i = 0; i < p->ranges.len; i++)
		done += is_done(&p->ranges.items[i]) ? width(&p->ranges.items[i]) : 0;
	return done;
}

/* ---- replay ---- */

void share_partition_put(struct share_partition *p, const struct share_range *range)
{
	struct share_range r = *range;
	r.first = mr_max_i64(r.first, p->start);
	if (r.first > r.last)
		return;
	extend(p, r.last + 1);
	size_t from = split(p, r.first), end = split(p, r.last + 1);
	p->ranges.items[from] = r;
	size_t more = end - from - 1;
	memmove(&p->ranges.items[from + 1], &p->ranges.items[from + 1 + more],
		(p->ranges.len - from - 1 - more) * sizeof *p->ranges.items);
	p->ranges.len -= more;
	tidy(p);
	p->start_moved = false;
}

void share_partition_unlock(struct share_partition *p)
{
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct share_range *r = &p->ranges.items[i];
		if (r->state == SHARE_ACQUIRED)
			*r = (struct share_range){r->first, r->last, SHARE_AVAILABLE, r->deliveries, 0, 0};
	}
	tidy(p);
}
