/* bench/make_requests.c - print N web-request events as JSON lines.
 *
 *   make_requests N [SEED]
 */
#include "ingest_events.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: make_requests N [SEED]\n");
		return 2;
	}
	uint64_t count = strtoull(argv[1], NULL, 10);
	struct event_maker maker;
	struct mr_buf line = {0};
	event_maker_init(&maker, argc > 2 ? strtoull(argv[2], NULL, 10) : 1, count);
	for (uint64_t i = 0; i < count; i++) {
		event_maker_next(&maker, &line);
		mr_buf_char(&line, '\n');
		fwrite(line.ptr, 1, line.len, stdout);
	}
	mr_buf_release(&line);
	return fflush(stdout) != 0;
}
