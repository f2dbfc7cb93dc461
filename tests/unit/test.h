/* tests/unit/test.h - the unit test harness: tests register themselves, one binary runs them.
 *
 *   TEST(buf_keeps_its_limit)
 *   {
 *           CHECK(buf.overflow);
 *           CHECK_STR(mr_buf_view(&buf), "abc");
 *           CHECK_OK(segment_open(..., &err), err);
 *   }
 *
 * `unit PREFIX...` runs those whose "file:name" holds a PREFIX. A failed CHECK is printed and
 * ends the test (it jumps out; a leak then is the failure's, not the code's). Each test runs in
 * a forked child, so a crash is one failed test; MR_TEST_NO_FORK=1 keeps them in one process.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

#include <stdio.h>

struct test {
	const char *file;
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);
MR_NORETURN void test_fail(const char *file, int line, const char *fmt, ...) MR_PRINTF(3, 4);

#define TEST(test_name) \
	static void test_run_##test_name(void); \
	static struct test test_entry_##test_name = {__FILE__, #test_name, test_run_##test_name, NULL}; \
	static __attribute__((constructor)) void test_add_##test_name(void) \
	{ \
		test_register(&test_entry_##test_name); \
	} \
	static void test_run_##test_name(void)

#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s is false", #condition))

#define CHECK_INT(got, want) \
	do { \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (got_ != want_) \
			test_fail(__FILE__, __LINE__, "%s is %lld, expected %lld", #got, got_, want_); \
	} while (0)

#define CHECK_STR(got, want) \
	do { \
		mr_str got_ = (got), want_ = mr_str_from(want); \
		if (!mr_str_eq(got_, want_)) \
			test_fail(__FILE__, __LINE__, "%s is \"%.*s\", expected \"%.*s\"", #got, \
				  MR_FMT(got_), MR_FMT(want_)); \
	} while (0)

/* rc == 0, else the test fails with err's message. */
#define CHECK_OK(call, err) \
	do { \
		int rc_ = (call); \
		if (rc_ != 0) \
			test_fail(__FILE__, __LINE__, "%s is %d: %s", #call, rc_, (err).message); \
	} while (0)

/* A fresh folder under the system's temporary folder, removed when the run ends. */
const char *test_folder(void);
/* A formatted string that lives as long as the test: test_path("%s/x", folder). */
char *test_path(const char *fmt, ...) MR_PRINTF(1, 2);

/* How often a randomised test goes round: `usual` times MR_TEST_SCALE (default 1). */
int test_rounds(int usual);
/* Says how far a test of more than a thousand rounds has come, ten times in all. */
void test_progress(const char *what, int done, int all);
