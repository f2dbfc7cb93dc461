#include "service/player.h"

#include "base/buf.h"
#include "codec/columns.h"
#include "env/env.h"
#include "env/loop.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WRITE_BYTES (64u * 1024)
#define NAP_US 1000 /* at a rate, lines that fell due meanwhile go out together */

struct player {
	const struct player_options *options;
	struct mr_clock *clock;
	int fd;
	mr_str rest;
	struct mr_buf out;
	char stamp[32]; /* RFC 5424's, of stamp_ms */
	int64_t stamp_ms;
	char clf[32];
};

static mr_str next_line(mr_str *rest)
{
	while (rest->len) {
		const char *end = memchr(rest->ptr, '\n', rest->len);
		mr_str line = mr_str_n(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
		*rest = mr_str_tail(*rest, line.len + 1);
		if (mr_str_ends(line, MR_STR("\r")))
			line.len--;
		if (line.len)
			return line;
	}
	return MR_STR("");
}

uint64_t player_count_lines(mr_str text)
{
	uint64_t count = 0;
	while (next_line(&text).len)
		count++;
	return count;
}

static void refresh_stamp(struct player *p)
{
	int64_t now_ms = clock_wall_ms(p->clock);
	if (now_ms == p->stamp_ms)
		return;
	p->stamp_ms = now_ms;
	format_timestamp_ms(now_ms, p->stamp);
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(p->clf, sizeof p->clf, "[%d/%b/%Y:%H:%M:%S +0000]", &tm);
}

/* The line with its [time] replaced, if it has one that looks like the common log's. */
static void put_line(struct player *p, mr_str line)
{
	const char *open = p->options->fresh_times ? memchr(line.ptr, '[', line.len) : NULL;
	const char *close = open ? memchr(open, ']', line.len - (size_t)(open - line.ptr)) : NULL;
	if (!close || close - open != 27) {
		mr_buf_str(&p->out, line);
		return;
	}
	mr_buf_append(&p->out, line.ptr, (size_t)(open - line.ptr));
	mr_buf_cstr(&p->out, p->clf);
	mr_buf_str(&p->out, mr_str_tail(line, (size_t)(close - line.ptr) + 1));
}

static int send_out(struct player *p, struct mr_error *err)
{
	for (size_t done = 0; done < p->out.len;) {
		ssize_t n = write(p->fd, p->out.ptr + done, p->out.len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mr_fail_errno(err, "the connection to %s broke", p->options->address);
		done += (size_t)n;
	}
	mr_buf_clear(&p->out);
	return 0;
}

static bool stopped(const struct player *p)
{
	return p->options->stop && atomic_load(p->options->stop);
}

static int play(struct player *p, uint64_t count, uint64_t *sent, struct mr_error *err)
{
	int64_t start_us = clock_mono_us(p->clock);
	while (*sent < count && !stopped(p)) {
		uint64_t due = count;
		if (p->options->rate > 0) {
			double elapsed = (double)(clock_mono_us(p->clock) - start_us) / 1e6;
			due = (uint64_t)(elapsed * p->options->rate) + 1;
			due = due < count ? due : count;
		}
		refresh_stamp(p);
		while (*sent < due && p->out.len < WRITE_BYTES) {
			mr_str line = next_line(&p->rest);
			if (!line.len) {
				p->rest = p->options->lines;
				line = next_line(&p->rest);
			}
			mr_buf_printf(&p->out, "<134>1 %s localhost access_log - %s-%08llu - ", p->stamp,
				      p->options->prefix, (unsigned long long)(p->options->first + *sent));
			put_line(p, line);
			mr_buf_char(&p->out, '\n');
			++*sent;
		}
		bool idle = p->out.len == 0;
		int rc = send_out(p, err);
		if (rc < 0)
			return rc;
		if (p->options->on_sent && !idle)
			p->options->on_sent(p->options->arg, *sent);
		if (p->options->rate > 0)
			nanosleep(&(struct timespec){0, NAP_US * 1000}, NULL);
	}
	return 0;
}

int player_run(const struct player_options *options, uint64_t *sent_out, struct mr_error *err)
{
	*sent_out = 0;
	uint64_t lines = player_count_lines(options->lines);
	if (lines == 0)
		return mr_fail(err, MR_ERR_INVALID, "there are no lines to play");
	struct player p = {
	    .options = options, .clock = env_linux()->clock, .rest = options->lines, .stamp_ms = -1};
	int rc = net_connect_tcp(options->address, &p.fd, err);
	if (rc < 0)
		return rc;
	rc = play(&p, options->count ? options->count : lines, sent_out, err);
	mr_buf_release(&p.out);
	close(p.fd);
	return rc;
}
