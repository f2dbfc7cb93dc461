#include "env/library.h"
#include "test.h"

struct calls {
	double (*cos)(double);
	double (*floor)(double);
};

static const char *const names[] = {"cos", "floor"};

TEST(library_fills_the_pointers_once)
{
	struct calls calls = {0};
	struct library library = LIBRARY_INIT("libm.so.6", names, &calls);
	struct mr_error err;
	CHECK_OK(library_load(&library, &err), err);
	CHECK(calls.cos(0) == 1 && calls.floor(2.5) == 2);
	calls.cos = calls.floor; /* a second load leaves them alone */
	CHECK_OK(library_load(&library, &err), err);
	CHECK(calls.cos(2.5) == 2);
}

TEST(library_that_is_missing_is_named_and_may_come_later)
{
	struct calls calls = {0};
	struct library library = LIBRARY_INIT("libno-such-thing.so.9", names, &calls);
	struct mr_error err;
	CHECK_INT(library_load(&library, &err), MR_ERR_UNAVAILABLE);
	CHECK(strstr(err.message, "cannot load libno-such-thing.so.9: "));
	CHECK(strstr(err.hint, "LD_LIBRARY_PATH"));
	CHECK_INT(library_load(&library, NULL), MR_ERR_UNAVAILABLE);
	CHECK(!calls.cos);
	library.file = "libm.so.6";
	CHECK_OK(library_load(&library, &err), err);
	CHECK(calls.floor(1.5) == 1);
}

TEST(library_without_one_of_the_functions_is_refused_by_its_name)
{
	static const char *const other[] = {"cos", "cosine_of_a_matrix"};
	struct calls calls = {0};
	struct library library = LIBRARY_INIT("libm.so.6", other, &calls);
	struct mr_error err;
	CHECK_INT(library_load(&library, &err), MR_ERR_UNAVAILABLE);
	CHECK(strstr(err.message, "cosine_of_a_matrix"));
}
