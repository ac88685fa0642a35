/* realtime_socket: one WebSocket of Supabase Realtime: its channels, and what is said on it. */
#ifndef TOCSIN_RELAY_REALTIME_SOCKET_H
#define TOCSIN_RELAY_REALTIME_SOCKET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/realtime_message.h"

struct realtime_context;
struct realtime_socket;
struct request;

/* NULL: the request was refused, or its client is gone. */
struct realtime_socket *realtime_socket_new(const struct realtime_context *context, struct request *req,
		    enum realtime_version version);
void		 realtime_socket_free(struct realtime_socket *s);

void		 realtime_socket_pump(struct realtime_socket *s);

/* What the pump will need, fetched ahead of it, in this order. */
void		 realtime_socket_prefetch(const struct realtime_socket *s);
void		 realtime_socket_prefetch_channel(const struct realtime_socket *s);
void		 realtime_socket_prefetch_parts(const struct realtime_socket *s);

void		 realtime_socket_reset(struct realtime_socket *s, const char *reason);

/* Joins that wait for the log; how many still do. */
size_t		 realtime_socket_try(struct realtime_socket *s, int64_t now_us);

/* Once a second: hang up on one that is silent, too far behind or not let in; end what has expired. */
void		 realtime_socket_tick(struct realtime_socket *s, int64_t now_us);

/* Say goodbye; it dies when that is answered, or soon. */
void		 realtime_socket_close(struct realtime_socket *s, unsigned code, const char *reason);

size_t		 realtime_socket_channels(const struct realtime_socket *s);
size_t		 realtime_socket_index(const struct realtime_socket *s);	/* in the set */
void		 realtime_socket_set_index(struct realtime_socket *s, size_t index);
#endif
