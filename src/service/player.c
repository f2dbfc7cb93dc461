#include "service/player.h"

#include "base/buf.h"
#include "codec/columns.h"
#include "env/env.h"
#include "env/loop.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WRITE_BYTES (64u * 1024)
#define NAP_US 1000 /* at a rate, lines that fell due meanwhile go out together */
#define REDIAL_US 20000
#define SEQUENCE_DIGITS 8 /* at least; so lines keep their length when they are sent again */

/* The kernel's numbers; its header for them cannot be included beside linux/tcp.h. */
enum { STATE_ESTABLISHED = 1, STATE_CLOSE_WAIT = 8 };

/* A place in the endless repetition of the file. */
struct cursor {
	mr_str rest;
	uint64_t line; /* lines before it */
};

struct player {
	const struct player_options *options;
	struct mr_clock *clock;
	int fd;
	struct cursor next;   /* to be rendered */
	struct cursor acked;  /* every line before it is at the other side */
	uint64_t acked_bytes; /* of this connection, up to `acked` */
	struct mr_buf out, line;
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

/* ---- one line ---- */

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

static void put_number(struct mr_buf *out, uint64_t n)
{
	char digits[24];
	size_t at = sizeof digits;
	while (n || sizeof digits - at < SEQUENCE_DIGITS) {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	}
	mr_buf_append(out, digits + at, sizeof digits - at);
}

/* The text with its [time] replaced, if it has one that looks like the common log's. */
static void put_text(struct player *p, mr_str text)
{
	const char *open = p->options->fresh_times ? memchr(text.ptr, '[', text.len) : NULL;
	const char *close = open ? memchr(open, ']', text.len - (size_t)(open - text.ptr)) : NULL;
	if (!close || close - open != 27) {
		mr_buf_str(&p->line, text);
		return;
	}
	mr_buf_append(&p->line, text.ptr, (size_t)(open - text.ptr));
	mr_buf_cstr(&p->line, p->clf);
	mr_buf_str(&p->line, mr_str_tail(text, (size_t)(close - text.ptr) + 1));
}

/* The text with "from" and "seq" as its first members. */
static void put_numbered(struct player *p, mr_str text, uint64_t number)
{
	mr_buf_cstr(&p->line, "{\"from\":\"");
	mr_buf_cstr(&p->line, p->options->prefix);
	mr_buf_cstr(&p->line, "\",\"seq\":1"); /* no leading zero: JSON has none */
	put_number(&p->line, number);
	mr_buf_cstr(&p->line, text.len > 2 ? "," : "");
	mr_buf_str(&p->line, mr_str_tail(text, 1));
}

/* The line at the cursor, framed, appended to out. The time apart, the same bytes each time. */
static void put_line(struct player *p, struct cursor *at, struct mr_buf *out)
{
	const struct player_options *o = p->options;
	mr_str text = next_line(&at->rest);
	if (!text.len) {
		at->rest = o->lines;
		text = next_line(&at->rest);
	}
	uint64_t number = o->first + at->line++;
	mr_buf_clear(&p->line);
	if (!o->bare) {
		mr_buf_cstr(&p->line, "<134>1 ");
		mr_buf_cstr(&p->line, p->stamp);
		mr_buf_char(&p->line, ' ');
		mr_buf_cstr(&p->line, o->hostname ? o->hostname : "localhost");
		mr_buf_cstr(&p->line, " access_log - ");
		mr_buf_cstr(&p->line, o->prefix);
		mr_buf_char(&p->line, '-');
		put_number(&p->line, number);
		mr_buf_cstr(&p->line, " - ");
	}
	if (o->number_json && text.ptr[0] == '{')
		put_numbered(p, text, number);
	else
		put_text(p, text);
	if (o->octet_counted)
		mr_buf_printf(out, "%zu ", p->line.len);
	mr_buf_str(out, mr_buf_view(&p->line));
	if (!o->octet_counted)
		mr_buf_char(out, '\n');
}

/* ---- the connection ---- */

static bool stopped(const struct player *p)
{
	return p->options->stop && atomic_load(p->options->stop);
}

static void nap(int64_t us)
{
	nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

/* Move `acked` to what the other side's TCP has acknowledged: the lines are rendered
 * again to learn their lengths, once per break, which is cheaper than keeping them. */
static void note_acknowledged(struct player *p, uint64_t bytes)
{
	struct mr_buf again = {0};
	while (p->acked.line < p->next.line) {
		struct cursor after = p->acked;
		mr_buf_clear(&again);
		put_line(p, &after, &again);
		if (p->acked_bytes + again.len > bytes)
			break;
		p->acked_bytes += again.len;
		p->acked = after;
	}
	mr_buf_release(&again);
}

/* What TCP knows: bytes acknowledged, and how many are still on the way. */
static bool tcp_progress(const struct player *p, uint64_t *acknowledged, uint64_t *waiting)
{
	struct tcp_info info;
	socklen_t len = sizeof info;
	if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	/* The connection's opening counts as one byte. */
	*acknowledged = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0;
	*waiting = info.tcpi_notsent_bytes + info.tcpi_unacked;
	return info.tcpi_state == STATE_ESTABLISHED || info.tcpi_state == STATE_CLOSE_WAIT;
}

static int broke(struct player *p, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_UNAVAILABLE, "the connection to %s broke", p->options->address);
}

static int send_out(struct player *p, struct mr_error *err)
{
	for (size_t done = 0; done < p->out.len;) {
		ssize_t n = send(p->fd, p->out.ptr + done, p->out.len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return broke(p, err);
		done += (size_t)n;
	}
	mr_buf_clear(&p->out);
	return 0;
}

/* The other side has closed: nothing is ever sent to us, so readable means the end. */
static bool hung_up(const struct player *p)
{
	char byte;
	return recv(p->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Until all that was written is acknowledged. */
static int wait_acknowledged(struct player *p, struct mr_error *err)
{
	uint64_t acknowledged, waiting = 1;
	while (waiting && !stopped(p)) {
		if (!tcp_progress(p, &acknowledged, &waiting))
			return broke(p, err);
		if (waiting)
			nap(NAP_US);
	}
	return 0;
}

static int redial(struct player *p, struct mr_error *err)
{
	uint64_t acknowledged = 0, waiting;
	(void)tcp_progress(p, &acknowledged, &waiting);
	note_acknowledged(p, acknowledged);
	close(p->fd);
	p->fd = -1;
	p->next = p->acked;
	p->acked_bytes = 0;
	mr_buf_clear(&p->out);
	if (p->options->on_break)
		p->options->on_break(p->options->arg, p->acked.line);
	int64_t until_ms = clock_mono_ms(p->clock) + p->options->reconnect_ms;
	int rc;
	while ((rc = net_connect_tcp(p->options->address, &p->fd, err)) < 0) {
		if (stopped(p) || clock_mono_ms(p->clock) >= until_ms)
			return rc;
		nap(REDIAL_US);
	}
	return 0;
}

/* ---- playing ---- */

/* Lines until none is due, all are sent, or the connection breaks. */
static int play(struct player *p, uint64_t count, int64_t start_us, struct mr_error *err)
{
	int rc = 0;
	while (rc == 0 && p->next.line < count && !stopped(p)) {
		uint64_t due = count;
		if (p->options->rate > 0) {
			double elapsed = (double)(clock_mono_us(p->clock) - start_us) / 1e6;
			due = (uint64_t)(elapsed * p->options->rate) + 1;
			due = due < count ? due : count;
		}
		refresh_stamp(p);
		while (p->next.line < due && p->out.len < WRITE_BYTES)
			put_line(p, &p->next, &p->out);
		bool idle = p->out.len == 0;
		rc = hung_up(p) ? broke(p, err) : send_out(p, err);
		if (rc == 0 && p->options->on_sent && !idle)
			p->options->on_sent(p->options->arg, p->next.line);
		if (rc == 0 && p->options->rate > 0)
			nap(NAP_US);
	}
	return rc < 0 ? rc : wait_acknowledged(p, err);
}

int player_run(const struct player_options *options, uint64_t *sent_out, struct mr_error *err)
{
	*sent_out = 0;
	uint64_t lines = player_count_lines(options->lines);
	if (lines == 0)
		return mr_fail(err, MR_ERR_INVALID, "there are no lines to play");
	struct player p = {
	    .options = options, .clock = env_linux()->clock, .next.rest = options->lines, .stamp_ms = -1};
	p.acked = p.next;
	int rc = net_connect_tcp(options->address, &p.fd, err);
	if (rc < 0)
		return rc;
	uint64_t count = options->count ? options->count : lines;
	int64_t start_us = clock_mono_us(p.clock);
	while ((rc = play(&p, count, start_us, err)) < 0 && options->reconnect_ms > 0 && !stopped(&p)) {
		rc = redial(&p, err);
		if (rc < 0)
			break;
	}
	*sent_out = p.next.line;
	mr_buf_release(&p.out);
	mr_buf_release(&p.line);
	if (p.fd >= 0)
		close(p.fd);
	return rc;
}
