#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "env/disk_linux.h"
#include "env/loop.h"

static void use_disk(struct mr_disk *disk)
{
	struct mr_error err;
	char *dir = test_path("%s/a/b/c", test_folder());
	CHECK_OK(disk_mkdir_all(disk, dir, &err), err);
	char *file = test_path("%s/f", dir), *other = test_path("%s/g", dir);
	CHECK_OK(disk_replace_file(disk, file, MR_STR("one"), &err), err);
	CHECK_OK(disk_replace_file(disk, file, MR_STR("two"), &err), err);
	struct mr_buf out = {0};
	CHECK_OK(disk_read_file(disk, file, 10, &out, &err), err);
	CHECK_STR(mr_buf_view(&out), "two");
	CHECK_INT(disk_read_file(disk, file, 2, &out, &err), MR_ERR_LIMIT);
	CHECK_OK(disk_link(disk, file, other, &err), err);
	CHECK_INT(disk_link(disk, file, other, &err), MR_ERR_EXISTS);
	CHECK_OK(disk_remove_all(disk, dir, &err), err);
	CHECK(!disk_exists(disk, dir));
	mr_buf_release(&out);
}

TEST(disk_replace_read_link_remove)
{
	use_disk(disk_linux());
	use_disk(disk_linux_unsynced());
}

/* Enough for all its threads, by a disk that takes them and by one that does not. */
static void sync_many(struct mr_disk *disk)
{
	struct mr_error err = {0};
	struct disk_sync items[40];
	size_t count = 0;
	char *dir = test_path("%s/many", test_folder());
	CHECK_OK(disk_mkdir_all(disk, dir, &err), err);
	CHECK_OK(disk_sync_all(disk, items, 0, &err), err);
	for (; count < MR_COUNT(items) - 1; count++) {
		items[count] = (struct disk_sync){.path = test_path("%s/%zu", dir, count)};
		CHECK_OK(disk_replace_file_unsynced(disk, items[count].path, MR_STR("x"), &err), err);
	}
	items[count++] = (struct disk_sync){.path = dir, .is_folder = true};
	CHECK_OK(disk_sync_all(disk, items, count, &err), err);
	CHECK_OK(disk_unlink(disk, items[30].path, &err), err);
	CHECK_INT(disk_sync_all(disk, items, count, NULL), MR_ERR_NOT_FOUND);
	CHECK_INT(disk_sync_all(disk, items, count, &err), MR_ERR_NOT_FOUND);
	CHECK(strstr(err.message, "many/30") != NULL);
	CHECK_OK(disk_remove_all(disk, dir, &err), err);
}

TEST(disk_syncs_many_files_as_one)
{
	sync_many(disk_linux());
	sync_many(disk_linux_unsynced());
}

static int fired[3], order;
static struct loop *timer_loop;

static void fire(struct loop_timer *timer);
static struct loop_timer timers[3] = {{.fire = fire}, {.fire = fire}, {.fire = fire}};

static void fire(struct loop_timer *timer)
{
	fired[timer - timers] = ++order;
	if (order == 2)
		loop_stop(timer_loop);
}

TEST(loop_timers_fire_in_order_and_cancel)
{
	struct mr_error err;
	CHECK_OK(loop_new(&timer_loop, &err), err);
	loop_timer_set(timer_loop, &timers[0], 20000);
	loop_timer_set(timer_loop, &timers[1], 1000);
	loop_timer_set(timer_loop, &timers[2], 5000);
	loop_timer_cancel(timer_loop, &timers[2]);
	loop_run(timer_loop);
	CHECK_INT(fired[1], 1);
	CHECK_INT(fired[0], 2);
	CHECK_INT(fired[2], 0);
	loop_free(timer_loop);
}

TEST(net_errors_name_the_way_out)
{
	struct mr_error err;
	int fd, port, fd2;
	CHECK_INT(net_listen_tcp("nonsense", &fd, &port, &err), MR_ERR_INVALID);
	CHECK_OK(net_listen_tcp("127.0.0.1:0", &fd, &port, &err), err);
	char *address = test_path("127.0.0.1:%d", port);
	CHECK(net_listen_tcp(address, &fd2, NULL, &err) < 0);
	CHECK(strstr(err.hint, "another program has this port"));
	CHECK(net_is_loopback("127.0.0.1:1") && net_is_loopback("[::1]:1") && !net_is_loopback("0.0.0.0:1"));
}
