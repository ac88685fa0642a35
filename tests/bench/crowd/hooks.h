/* hooks: webhook receivers of a measurement, all on one port and told apart by their path, /0, /1 … */
#ifndef TOCSIN_BENCH_HOOKS_H
#define TOCSIN_BENCH_HOOKS_H
#include <stddef.h>
#include <stdint.h>

struct hooks;

/* The body of a POST that is about to be answered with 200. */
typedef void (*hooks_fn)(size_t index, const char *body, size_t len, int64_t now_ns, void *arg);

/* Listens on 127.0.0.1.  What is no such POST ends the program. */
struct hooks	*hooks_new(int port, size_t count, hooks_fn take, void *arg);
void		 hooks_free(struct hooks *h);

/* Readable when hooks_turn() has something to do.  Owned by the hooks. */
int		 hooks_fd(const struct hooks *h);
void		 hooks_turn(struct hooks *h);

uint64_t	 hooks_connects(const struct hooks *h);
#endif
