/* feed_exec_env: what a program of a feed finds in its environment (docs/exec.md). */
#ifndef TOCSIN_GENERATOR_FEED_EXEC_ENV_H
#define TOCSIN_GENERATOR_FEED_EXEC_ENV_H
#include <stddef.h>
#include <stdint.h>

#include "generator/feed.h"

/*
 * Ours without what is private to us (the watchdog's words, the database's), and
 * TOCSIN_…: `resume_us` has one entry a symbol, INT64_MIN for none; `history` is
 * the number of candles that strategies need.  NULL at the end, owned.
 */
char	**exec_env_new(const struct feed_conf *common, const int64_t *resume_us, size_t history);
void	  exec_env_free(char **env);	/* NULL is fine */
#endif
