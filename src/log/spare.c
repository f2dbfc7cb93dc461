/* log/spare.c - large buffers between two commit rounds. See the header. */
#include "log/spare.h"

void spares_init(struct spares *spares)
{
	*spares = (struct spares){0};
	pthread_mutex_init(&spares->lock, NULL);
}

static void free_all(struct spares *spares)
{
	for (size_t i = 0; i < SPARE_COUNT; i++)
		mr_buf_release(&spares->kept[i]);
}

void spares_release(struct spares *spares)
{
	free_all(spares);
	pthread_mutex_destroy(&spares->lock);
}

static void swap(struct mr_buf *a, struct mr_buf *b)
{
	struct mr_buf was = *a;
	*a = *b;
	*b = was;
}

void spares_grow(struct spares *spares, struct mr_buf *buf, size_t extra)
{
	size_t need = buf->len + extra + 1;
	if (need <= buf->cap || need < SPARE_BYTES_LEAST)
		return;
	struct mr_buf old = {0};
	pthread_mutex_lock(&spares->lock);
	spares->asked = true;
	for (size_t i = 0; i < SPARE_COUNT; i++) {
		if (spares->kept[i].cap >= need) {
			old = *buf;
			*buf = spares->kept[i];
			spares->kept[i] = (struct mr_buf){0};
			break;
		}
	}
	pthread_mutex_unlock(&spares->lock);
	buf->limit = old.ptr ? old.limit : buf->limit;
	mr_buf_str(buf, mr_buf_view(&old));
	mr_buf_release(&old);
}

void spares_give(struct spares *spares, struct mr_buf *buf)
{
	size_t least = 0;
	mr_buf_clear(buf);
	pthread_mutex_lock(&spares->lock);
	for (size_t i = 1; i < SPARE_COUNT; i++) {
		if (spares->kept[i].cap < spares->kept[least].cap)
			least = i;
	}
	bool fits = buf->cap >= SPARE_BYTES_LEAST && buf->cap <= SPARE_BYTES_MAX;
	if (fits && buf->cap > spares->kept[least].cap)
		swap(buf, &spares->kept[least]);
	pthread_mutex_unlock(&spares->lock);
	mr_buf_release(buf);
}

void spares_trim(struct spares *spares)
{
	pthread_mutex_lock(&spares->lock);
	if (!spares->asked)
		free_all(spares);
	spares->asked = false;
	pthread_mutex_unlock(&spares->lock);
}
