#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "env/disk_linux.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test *tests;
static struct test **tests_tail = &tests;
static char run_folder[256];
static int folder_count;
static struct arena test_arena;

void test_register(struct test *test)
{
	*tests_tail = test;
	tests_tail = &test->next;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(stderr, "  %s:%d: ", file, line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(1);
}

const char *test_folder(void)
{
	const char *path = test_path("%s/%d-%d", run_folder, (int)getpid(), folder_count++);
	struct mr_error err;
	if (disk_mkdir_all(disk_linux(), path, &err) < 0)
		test_fail(__FILE__, __LINE__, "%s", err.message);
	return path;
}

char *test_path(const char *fmt, ...)
{
	struct mr_buf text = {0};
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&text, fmt, args);
	va_end(args);
	char *path = (char *)arena_copy(&test_arena, mr_buf_view(&text)).ptr;
	mr_buf_release(&text);
	return path;
}

int test_rounds(int usual)
{
	const char *scale = getenv("MR_TEST_SCALE");
	double rounds = usual * (scale ? atof(scale) : 1.0);
	return rounds < 1 ? 1 : (int)rounds;
}

void test_progress(const char *what, int done, int all)
{
	int step = all / 10;
	if (all > 1000 && step && done % step == 0)
		fprintf(stderr, "%s: %d of %d\n", what, done, all);
}

static bool wanted(const struct test *test, int argc, char **argv)
{
	if (argc < 2)
		return true;
	char id[512];
	snprintf(id, sizeof id, "%s:%s", test->file, test->name);
	for (int i = 1; i < argc; i++) {
		if (strstr(id, argv[i]))
			return true;
	}
	return false;
}

static bool run_test(struct test *test)
{
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		/* A test that hangs is a failed test; a long run may take longer in the same measure. */
		alarm(test_rounds(300) > 300 ? (unsigned)test_rounds(300) : 300);
		test->run();
		exit(0);
	}
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "  ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(run_folder, sizeof run_folder, "%s/millrace-unit-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(run_folder)) {
		perror(run_folder);
		return 1;
	}
	int passed = 0, failed = 0;
	for (struct test *t = tests; t; t = t->next) {
		if (!wanted(t, argc, argv))
			continue;
		if (getenv("MR_TEST_NO_FORK")) {
			t->run();
			passed++;
			continue;
		}
		if (run_test(t)) {
			passed++;
		} else {
			failed++;
			printf("FAILED %s (%s)\n", t->name, t->file);
		}
	}
	disk_remove_all(disk_linux(), run_folder, NULL) < 0 ? perror(run_folder) : (void)0;
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
