/* bench/feeder.c - syslog load over N connections, countable, for benches and kill -9 tests.
 *
 *   feeder --to ADDRESS:PORT [--lines N] [--connections N] [--rate LINES/S] [--octets] [--bare]
 *          [--number] [--fresh] [--reconnect SECONDS] FILE
 *
 * Each connection repeats the file's lines, starting at a place of its own. --number puts "from"
 * and "seq" into lines that are JSON objects: per connection, seq runs from 100000000 on without
 * a gap, so a reader of the topics can tell what was lost, doubled or out of order. Ends with one
 * line of JSON: lines, seconds, lines/s, breaks, and lines sent again after them.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "env/disk_linux.h"
#include "env/env.h"
#include "service/player.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS_MAX = 1024 };

struct sender {
	pthread_t thread;
	struct player_options play;
	char prefix[16];
	uint64_t sent, written, breaks, again;
	int rc;
	struct mr_error err;
};

static void on_sent(void *arg, uint64_t sent)
{
	struct sender *s = arg;
	s->written = sent;
}

static void on_break(void *arg, uint64_t acknowledged)
{
	struct sender *s = arg;
	s->breaks++;
	s->again += s->written > acknowledged ? s->written - acknowledged : 0;
}

static void *run(void *arg)
{
	struct sender *s = arg;
	s->rc = player_run(&s->play, &s->sent, &s->err);
	return NULL;
}

/* The text from its nth line on, then the rest: so that connections do not send in step. */
static mr_str rotated(mr_str text, size_t n, struct mr_buf *out)
{
	size_t at = 0;
	for (; n && at < text.len; n--) {
		const char *end = memchr(text.ptr + at, '\n', text.len - at);
		at = end ? (size_t)(end - text.ptr) + 1 : 0;
	}
	mr_buf_str(out, mr_str_tail(text, at));
	if (out->len && out->ptr[out->len - 1] != '\n')
		mr_buf_char(out, '\n');
	mr_buf_append(out, text.ptr, at);
	return mr_buf_view(out);
}

static int usage(void)
{
	fputs("usage: feeder --to ADDRESS:PORT [--lines N] [--connections N] [--rate LINES/S] [--octets] "
	      "[--bare]\n"
	      "              [--number] [--fresh] [--reconnect SECONDS] FILE\n",
	      stderr);
	return 2;
}

static int feed(struct player_options *play, mr_str text, uint64_t lines, unsigned connections)
{
	struct sender *senders = mr_calloc(connections, sizeof *senders);
	struct mr_buf *texts = mr_calloc(connections, sizeof *texts);
	int64_t start_us = clock_mono_us(env_linux()->clock);
	uint64_t sent = 0, breaks = 0, again = 0;
	int failed = 0;
	for (unsigned i = 0; i < connections; i++) {
		struct sender *s = &senders[i];
		snprintf(s->prefix, sizeof s->prefix, "c%u", i);
		s->play = *play;
		s->play.prefix = s->prefix;
		s->play.lines = rotated(text, i * 7, &texts[i]);
		s->play.count = lines / connections + (i < lines % connections);
		s->play.rate = play->rate / connections;
		s->play.on_sent = on_sent;
		s->play.on_break = on_break;
		s->play.arg = s;
		pthread_create(&s->thread, NULL, run, s);
	}
	for (unsigned i = 0; i < connections; i++) {
		struct sender *s = &senders[i];
		pthread_join(s->thread, NULL);
		sent += s->sent;
		breaks += s->breaks;
		again += s->again;
		if (s->rc < 0 && !failed++)
			fprintf(stderr, "feeder: %s\n", s->err.message);
		mr_buf_release(&texts[i]);
	}
	double seconds = (double)(clock_mono_us(env_linux()->clock) - start_us) / 1e6;
	printf("{\"lines\":%llu,\"seconds\":%.3f,\"per_s\":%.0f,\"breaks\":%llu,\"sent_again\":%llu}\n",
	       (unsigned long long)sent, seconds, (double)sent / seconds, (unsigned long long)breaks,
	       (unsigned long long)again);
	free(senders);
	free(texts);
	return failed > 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"to", 1, 0, 't'},          {"lines", 1, 0, 'n'},
	    {"connections", 1, 0, 'c'}, {"rate", 1, 0, 'r'},
	    {"octets", 0, 0, 'o'},      {"bare", 0, 0, 'b'},
	    {"number", 0, 0, 's'},      {"fresh", 0, 0, 'f'},
	    {"reconnect", 1, 0, 'R'},   {0},
	};
	struct player_options play = {0};
	uint64_t lines = 0;
	unsigned long connections = 1;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 't':
			play.address = optarg;
			break;
		case 'n':
			lines = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			connections = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			play.rate = strtod(optarg, NULL);
			break;
		case 'o':
			play.octet_counted = true;
			break;
		case 'b':
			play.bare = true;
			break;
		case 's':
			play.number_json = true;
			break;
		case 'f':
			play.fresh_times = true;
			break;
		case 'R':
			play.reconnect_ms = (int64_t)(strtod(optarg, NULL) * 1000);
			break;
		default:
			return usage();
		}
	}
	if (!play.address || optind + 1 != argc || connections < 1 || connections > CONNECTIONS_MAX)
		return usage();
	struct mr_buf text = {0};
	struct mr_error err;
	if (disk_read_file(disk_linux(), argv[optind], (size_t)1 << 30, &text, &err) < 0) {
		fprintf(stderr, "feeder: %s\n", err.message);
		return 2;
	}
	lines = lines ? lines : player_count_lines(mr_buf_view(&text));
	if (lines < connections)
		connections = lines ? lines : 1;
	int rc = feed(&play, mr_buf_view(&text), lines, (unsigned)connections);
	mr_buf_release(&text);
	return rc;
}
