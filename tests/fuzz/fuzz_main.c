/* tests/fuzz/fuzz_main.c - the targets under libFuzzer, all in one program.
 *
 *   MR_FUZZ_TARGET=NAME  which one
 *   MR_FUZZ_SEEDS=DIR    write its seeds there and end: where a first run begins
 *
 * Also what tests/unit/test.h promises, without its main: a failed CHECK is a crash, which is what
 * libFuzzer keeps an input for. */
#include "fuzz.h"

#include "base/crc32c.h"
#include "env/disk_linux.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static const struct fuzz_target *const targets[] = {
#define FUZZ(target_name) &fuzz_##target_name,
#include "fuzz.def"
#undef FUZZ
};

static const struct fuzz_target *target;
static void *state;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

char *test_path(const char *fmt, ...)
{
	struct mr_buf text = {0};
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&text, fmt, args);
	va_end(args);
	mr_buf_char(&text, 0);
	return text.ptr; /* few, and kept as long as the program runs */
}

const char *test_folder(void)
{
	char *path = test_path("%s/millrace-fuzz-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(path))
		test_fail(__FILE__, __LINE__, "%s cannot be made", path);
	return path;
}

static void write_seed(void *arg, mr_str seed)
{
	struct mr_error err;
	char *path = test_path("%s/seed-%08x", (const char *)arg, mr_crc32c(0, seed.ptr, seed.len));
	CHECK_OK(disk_replace_file(disk_linux(), path, seed, &err), err);
	free(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("MR_FUZZ_TARGET");
	const char *seeds = getenv("MR_FUZZ_SEEDS");
	for (size_t i = 0; name && i < MR_COUNT(targets); i++) {
		if (strcmp(targets[i]->name, name) == 0)
			target = targets[i];
	}
	if (!target) {
		fprintf(stderr, "MR_FUZZ_TARGET names no target; there are:\n");
		for (size_t i = 0; i < MR_COUNT(targets); i++)
			fprintf(stderr, "%s\n", targets[i]->name);
		exit(2);
	}
	state = target->start ? target->start() : NULL;
	if (seeds) {
		fuzz_each_seed(target, state, write_seed, (void *)seeds);
		_exit(0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	target->feed(state, mr_str_n(bytes, len));
	return 0;
}
