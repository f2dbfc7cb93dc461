/* The body that every store passes, on a bucket of the S3 server that the environment names:
 *   store_tool BUCKET PREFIX/      (behind retry.c)
 *   store_tool BUCKET PREFIX/ SEED (with faults from that seed in between) */
#include "../unit/store/store_body.h"
#include "base/mem.h"
#include "store/s3.h"
#include "test.h"

#include <stdlib.h>

static const char *variable(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static int fail(const struct mr_error *err)
{
	fprintf(stderr, "%s\n%s\n", err->message, err->hint);
	return 1;
}

/* What tests/unit/test.c has for the unit tests. */
void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static struct arena texts;

char *test_path(const char *fmt, ...)
{
	struct mr_buf text = {0};
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&text, fmt, args);
	va_end(args);
	char *path = arena_strdup(&texts, text.ptr);
	mr_buf_release(&text);
	return path;
}

const char *test_folder(void)
{
	return getenv("STORE_TOOL_FOLDER");
}

int main(int argc, char **argv)
{
	const struct store_faults faults = {.before = 100, .lost = 100, .busy = 50};
	const struct store_patience quick = {40, 1000, 20000};
	struct mr_error err = {0};
	struct aws_settings settings;
	struct store *store;
	if (argc < 3)
		return 2;
	if (aws_settings_load(env_linux()->disk, variable, NULL, &settings, &err) < 0 ||
	    s3_open(env_linux(), argv[1], &settings, &store, &err) < 0)
		return fail(&err);
	aws_settings_release(&settings);
	if (argc > 3)
		store = store_faulty_new(store, strtoull(argv[3], NULL, 10), &faults);
	store = store_retry_new(store, env_linux()->rng, argc > 3 ? &quick : &store_patience_usual);
	store_body(env_linux(), store, test_path("%sbody/", argv[2]));
	store_race_body(store, test_path("%srace/", argv[2]));
	store_free(store);
	arena_release(&texts);
	printf("every check passed\n");
	return 0;
}
