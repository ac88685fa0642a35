/*
 * loader: at a start, bring the engine back to where the last commit left it:
 * for each stream the newest candles as history, then its active signals, the
 * recently closed ones and the last one of each strategy.  Active signals of
 * markets that no feed has any more are expired, void, once their time is over.
 */
#ifndef TOCSIN_GENERATOR_LOADER_H
#define TOCSIN_GENERATOR_LOADER_H
#include <stddef.h>
#include <stdint.h>

#include "generator/engine.h"

struct loader;
struct pg;

struct loader_stream {
	struct stream	*stream;
	const char	*exchange, *symbol;	/* borrowed */
	enum timeframe	 base;
	/* Filled: market time up to which candles are stored; INT64_MIN: none. */
	int64_t		 resume_us;
};

/*
 * Load `count` streams (borrowed, must stay until done) through a session that
 * is up.  `done` is called once, from the loop, unless the connection is lost
 * before: then nothing is, and nothing half-loaded may be used: the process
 * starts over.  Never NULL.
 */
struct loader	*loader_start(struct pg *pg, struct engine *e, enum signal_mode mode, struct loader_stream *streams, size_t count,
	    void (*done)(void *arg), void *arg);

/* Once it is done, or in the middle of it behind the session's end; NULL is fine. */
void		 loader_free(struct loader *l);
#endif
