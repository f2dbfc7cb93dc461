/* tests/unit/api/test_hub.c - listeners get what is theirs, and a slow one holds nobody. */
#include "test.h"

#include "api/hub.h"
#include "base/mem.h"

#include <stdlib.h>

static struct store_batch *batch_of(mr_str dag_id, size_t runs)
{
	struct store_batch *batch = store_batch_new();
	for (size_t i = 0; i < runs; i++)
		mr_vec_push(&batch->runs, (struct store_run){.run_no = 1,
							     .dag_id = dag_id,
							     .run_id = MR_STR("r"),
							     .run_type = MR_STR("manual"),
							     .state = RUN_RUNNING,
							     .logical_date_us = NO_TIME,
							     .run_after_us = 0,
							     .start_us = 1000000,
							     .end_us = NO_TIME});
	return batch;
}

TEST(hub_gives_each_listener_its_own)
{
	struct hub *hub = hub_new(NULL);
	struct hub_listener *all = hub_listen(hub, MR_STR("")), *one = hub_listen(hub, MR_STR("x"));
	struct store_batch *x = batch_of(MR_STR("x"), 1), *y = batch_of(MR_STR("y"), 1);
	struct mr_buf out = {0};
	hub_publish(hub, x);
	hub_publish(hub, y);
	CHECK_INT(hub_wait(one, 0, &out), 0);
	CHECK_STR(mr_buf_view(&out),
		  "event: dag_run\ndata: {\"dag_id\":\"x\",\"dag_run_id\":\"r\",\"run_type\":\"manual\","
		  "\"state\":\"running\",\"logical_date\":null,\"run_after\":\"1970-01-01T00:00:00Z\","
		  "\"start_date\":\"1970-01-01T00:00:01Z\",\"end_date\":null}\n\n");
	CHECK_INT(hub_wait(one, 1, &out), 1);
	mr_buf_clear(&out);
	CHECK_INT(hub_wait(all, 0, &out), 0);
	CHECK(strstr(out.ptr, "\"x\"") && strstr(out.ptr, "\"y\""));
	CHECK_INT(hub_listeners(hub), 2);
	hub_close(hub);
	CHECK_INT(hub_wait(one, 1000, &out), MR_ERR_CLOSED);
	CHECK(!hub_listen(hub, MR_STR("")));
	hub_leave(all);
	hub_leave(one);
	hub_free(hub);
	store_batch_free(x);
	store_batch_free(y);
	mr_buf_release(&out);
}

TEST(hub_drops_the_queue_of_who_is_slow)
{
	struct hub *hub = hub_new(NULL);
	struct hub_listener *slow = hub_listen(hub, MR_STR(""));
	struct store_batch *batch = batch_of(MR_STR("x"), 1000);
	struct mr_buf out = {0};
	for (int i = 0; i < 40; i++)
		hub_publish(hub, batch);
	CHECK_INT(hub_wait(slow, 0, &out), 0);
	CHECK_STR(mr_buf_view(&out), "event: reset\ndata: {}\n\n");
	mr_buf_clear(&out);
	hub_publish(hub, batch); /* and goes on from there */
	CHECK_INT(hub_wait(slow, 0, &out), 0);
	CHECK(mr_str_starts(mr_buf_view(&out), MR_STR("event: dag_run\n")));
	hub_leave(slow);
	hub_free(hub);
	store_batch_free(batch);
	mr_buf_release(&out);
}
