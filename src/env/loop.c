
#include "env/loop.h"

#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct loop {
	int epoll_fd;
	struct loop_watch waker;
	_Atomic bool stopping;
	_Atomic bool wake_pending; /* saves the write when a wake is under way already */
	void (*on_wake)(void *);
	void *on_wake_arg;
	int64_t now_us;
	MR_VEC(struct loop_timer *) heap; /* earliest first */
	struct epoll_event ready[128];
	int ready_len;
};

static int64_t mono_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void waker_ready(struct loop_watch *watch, int events)
{
	(void)events;
	struct loop *loop = MR_CONTAINER_OF(watch, struct loop, waker);
	uint64_t count;
	ssize_t ignored = read(watch->fd, &count, sizeof count);
	(void)ignored;
	atomic_store(&loop->wake_pending, false);
	if (loop->on_wake)
		loop->on_wake(loop->on_wake_arg);
}

int loop_new(struct loop **out, struct mr_error *err)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return mr_fail_errno(err, "cannot make an epoll instance");
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0) {
		close(epoll_fd);
		return mr_fail_errno(err, "cannot make an eventfd");
	}
	struct loop *loop = mr_calloc(1, sizeof *loop);
	loop->epoll_fd = epoll_fd;
	loop->waker = (struct loop_watch){wake_fd, waker_ready};
	loop->now_us = mono_us();
	int rc = loop_watch(loop, &loop->waker, LOOP_READ, err);
	if (rc < 0) {
		loop_free(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->waker.fd);
	close(loop->epoll_fd);
	mr_vec_release(&loop->heap);
	free(loop);
}

static uint32_t epoll_mask(int events)
{
	return (events & LOOP_READ ? EPOLLIN | EPOLLRDHUP : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u);
}

int loop_watch(struct loop *loop, struct loop_watch *watch, int events, struct mr_error *err)
{
	struct epoll_event event = {.events = epoll_mask(events), .data.ptr = watch};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return mr_fail_errno(err, "cannot watch descriptor %d", watch->fd);
	return 0;
}

void loop_watch_change(struct loop *loop, struct loop_watch *watch, int events)
{
	struct epoll_event event = {.events = epoll_mask(events), .data.ptr = watch};
	int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
	MR_ASSERT(rc == 0);
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->ready_len; i++) { /* it may still be in this turn's list */
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
	}
}

/* ---- timers: a binary heap; timer->index is its place plus one ---- */

static void heap_place(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->heap.items[at] = timer;
	timer->index = at + 1;
}

static void heap_up(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->heap.items[at];
	while (at > 0 && loop->heap.items[(at - 1) / 2]->due_us > timer->due_us) {
		heap_place(loop, at, loop->heap.items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(loop, at, timer);
}

static void heap_down(struct loop *loop, size_t at)
{
	struct loop_timer *timer = loop->heap.items[at];
	for (;;) {
		size_t child = at * 2 + 1;
		if (child >= loop->heap.len)
			break;
		if (child + 1 < loop->heap.len &&
		    loop->heap.items[child + 1]->due_us < loop->heap.items[child]->due_us)
			child++;
		if (loop->heap.items[child]->due_us >= timer->due_us)
			break;
		heap_place(loop, at, loop->heap.items[child]);
		at = child;
	}
	heap_place(loop, at, timer);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	if (timer->index == 0)
		return;
	size_t at = timer->index - 1;
	timer->index = 0;
	struct loop_timer *last = loop->heap.items[--loop->heap.len];
	if (last == timer)
		return;
	heap_place(loop, at, last);
	heap_up(loop, at);
	heap_down(loop, last->index - 1);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_us)
{
	loop_timer_cancel(loop, timer);
	timer->due_us = mono_us() + mr_max_i64(delay_us, 0);
	mr_vec_push(&loop->heap, timer);
	heap_up(loop, loop->heap.len - 1);
}

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

/* ---- running ---- */

void loop_wake(struct loop *loop)
{
	if (atomic_exchange(&loop->wake_pending, true))
		return;
	uint64_t one = 1;
	ssize_t ignored = write(loop->waker.fd, &one, sizeof one);
	(void)ignored;
}

void loop_on_wake(struct loop *loop, void (*fn)(void *), void *arg)
{
	loop->on_wake = fn;
	loop->on_wake_arg = arg;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	loop_wake(loop);
}

static void fire_due(struct loop *loop)
{
	loop->now_us = mono_us();
	while (loop->heap.len && loop->heap.items[0]->due_us <= loop->now_us) {
		struct loop_timer *timer = loop->heap.items[0];
		loop_timer_cancel(loop, timer);
		timer->fire(timer);
	}
}

static int wait_ms(const struct loop *loop)
{
	if (!loop->heap.len)
		return -1;
	int64_t us = loop->heap.items[0]->due_us - mono_us();
	return us <= 0 ? 0 : (int)mr_min_i64((us + 999) / 1000, 60 * 60 * 1000);
}

void loop_run(struct loop *loop)
{
	while (!atomic_load(&loop->stopping)) {
		int n = epoll_wait(loop->epoll_fd, loop->ready, MR_COUNT(loop->ready), wait_ms(loop));
		if (n < 0) {
			MR_ASSERT(errno == EINTR);
			n = 0;
		}
		loop->now_us = mono_us();
		loop->ready_len = n;
		for (int i = 0; i < n; i++) {
			struct loop_watch *watch = loop->ready[i].data.ptr;
			uint32_t e = loop->ready[i].events;
			if (!watch)
				continue;
			int events = (e & EPOLLIN ? LOOP_READ : 0) | (e & EPOLLOUT ? LOOP_WRITE : 0) |
				     (e & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? LOOP_HANGUP : 0);
			watch->ready(watch, events);
		}
		loop->ready_len = 0;
		fire_due(loop);
	}
}
