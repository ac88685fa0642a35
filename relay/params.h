/* params: the query of a request by a table: what each parameter may be, and where its value goes. */
#ifndef TOCSIN_RELAY_PARAMS_H
#define TOCSIN_RELAY_PARAMS_H
#include <stdbool.h>
#include <stddef.h>

struct evkeyvalq;
struct request;

#define PARAMS_MAX	16	/* rows of a table */
#define PARAMS_ITEMS_MAX	64	/* of one list */

struct param {
	const char	*name;		/* NULL ends the table */
	const char	*allowed;	/* for people */
	const char	*def;		/* NULL: none */
	bool		 required;
	bool		(*item_ok)(const char *text, size_t len);	/* of a comma list; or */
	bool		(*ok)(const char *text);			/* of the whole */
};

/*
 * Read the query into `values`, one a row of the table; they are borrowed from
 * `query`, which the caller clears (evhttp_clear_headers()) when true came back.
 * False: the request has been answered.
 */
bool	 params_read(struct request *r, const struct param *table, const char **values, struct evkeyvalq *query);

/* Checks for tables. */
bool	 params_id_ok(const char *text);		/* a positive number of at most 18 digits */
bool	 params_exchange_ok(const char *text);
bool	 params_symbol_ok(const char *text);
bool	 params_timeframe_ok(const char *text);
bool	 params_time_ok(const char *text);		/* 2026-11-23T10:57:00Z; that there is such a day is the database's to say */
bool	 params_number_ok(const char *text, int min, int max);
bool	 params_word_ok(const char *text, size_t len, const char *const *words);	/* words: NULL at the end */
#endif
