/*
 * Frames of anybody who has opened a WebSocket: read in pieces of any size, and
 * again by another implementation (wslay), which must see the same messages.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "relay/ws_frame.h"

#define MESSAGES	64
#define MESSAGE_MAX	(1 << 20)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned	 count;
	struct {
		unsigned opcode;
		size_t	 len;
		char	*data;
	} messages[MESSAGES];
};

struct source {
	const uint8_t	*at;
	size_t		 left;
	struct seen	 seen;
};

static void
add(struct seen *s, unsigned opcode, const void *data, size_t len)
{
	char	*copy = malloc(len + 1);

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	if (s->count == MESSAGES) {
		free(copy);
		return;
	}
	s->messages[s->count].opcode = opcode;
	s->messages[s->count].len = len;
	s->messages[s->count++].data = copy;
}

static void
release(struct seen *s)
{
	for (unsigned i = 0; i < s->count; i++)
		free(s->messages[i].data);
}

/* Ours: true when it ended with a proper close, or with no end at all. */
static bool
read_ours(const uint8_t *data, size_t size, size_t step, struct seen *seen)
{
	struct ws_reader	 r = { .message_max = MESSAGE_MAX };
	struct ws_message	 m;
	enum ws_event		 event;
	bool			 good = true;

	for (size_t from = 0; from < size; from += step) {
		const void	*at = data + from;
		size_t		 left = size - from < step ? size - from : step;

		while ((event = ws_read(&r, &at, &left, &m)) != WS_NOTHING) {
			if (event == WS_BAD && (m.why == NULL || (m.code != 1002 && m.code != 1007 && m.code != 1009)))
				abort();
			if (event == WS_TEXT && m.data[m.len] != '\0')
				abort();
			good = good && event != WS_BAD;
			if (event == WS_TEXT || event == WS_BINARY || event == WS_PING || event == WS_PONG)
				add(seen, event == WS_TEXT ? 1 : event == WS_BINARY ? 2 : event == WS_PING ? 9 : 10, m.data, m.len);
		}
		if (left != 0)
			abort();
	}
	ws_reader_release(&r);
	return good;
}

static ssize_t
recv_cb(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct source	*s = arg;
	size_t		 n = len < s->left ? len : s->left;

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, s->at, n);
	s->at += n;
	s->left -= n;
	return (ssize_t)n;
}

static void
message_cb(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct source	*s = arg;

	(void)ctx;
	if (m->opcode != WSLAY_CONNECTION_CLOSE)
		add(&s->seen, m->opcode, m->msg, m->msg_length);
}

/* Theirs: true when it would read on. */
static bool
read_theirs(struct source *s)
{
	bool						 goes_on;
	static const struct wslay_event_callbacks	 callbacks = { .recv_callback = recv_cb, .on_msg_recv_callback = message_cb };
	wslay_event_context_ptr				 ctx;

	if (wslay_event_context_server_init(&ctx, &callbacks, s) != 0)
		abort();
	wslay_event_config_set_max_recv_msg_length(ctx, MESSAGE_MAX);
	goes_on = wslay_event_recv(ctx) == 0 && wslay_event_get_read_enabled(ctx);
	wslay_event_context_free(ctx);
	return goes_on;
}

/* All that one saw, the other saw; what ends the reading need not be seen at the same place. */
static void
compare(const struct seen *a, const struct seen *b, bool exactly)
{
	unsigned	 count = a->count < b->count ? a->count : b->count;

	if (exactly && a->count != b->count)
		abort();
	for (unsigned i = 0; i < count; i++)
		if (a->messages[i].opcode != b->messages[i].opcode || a->messages[i].len != b->messages[i].len ||
		    memcmp(a->messages[i].data, b->messages[i].data, a->messages[i].len) != 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen	 whole = { 0 }, pieces = { 0 };
	struct source	 theirs = { 0 };
	bool		 good;

	if (size < 2)
		return 0;
	good = read_ours(data + 1, size - 1, size, &whole);
	(void)read_ours(data + 1, size - 1, 1 + data[0] % 16, &pieces);
	compare(&whole, &pieces, true);
	theirs.at = data + 1;
	theirs.left = size - 1;
	good = read_theirs(&theirs) && good;
	compare(&whole, &theirs.seen, good);
	/* A text that is no UTF-8 they notice sooner, within a message; but they take nothing that we refuse. */
	if (theirs.seen.count > whole.count)
		abort();
	release(&whole);
	release(&pieces);
	release(&theirs.seen);
	return 0;
}
