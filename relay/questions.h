/* questions: requests whose answer comes from the database, asked one after the other over one session. */
#ifndef TOCSIN_RELAY_QUESTIONS_H
#define TOCSIN_RELAY_QUESTIONS_H
#include <stddef.h>

struct pg;
struct pg_result;
struct questions;
struct request;

/* Make the answer of a result that is ok; the request must be answered. */
typedef void (*question_cb)(struct request *r, const struct pg_result *res);

struct questions *questions_new(struct pg *pg);
void		 questions_free(struct questions *q);	/* before the session; what still waits is answered, to whom it may reach; NULL is fine */
size_t		 questions_pending(const struct questions *q);

/*
 * Ask with `count` text parameters (copied).  What fails (no connection, too
 * many wait, a query that took too long) is answered here: 503, or 400 when the
 * database does not take a value.
 */
void		 questions_ask(struct questions *q, struct request *r, const char *sql, int count, const char *const *values, question_cb cb);

/* The answer is the JSON of the one row's first column; SQL NULL: question_missing(). */
void		 question_json(struct request *r, const struct pg_result *res);
void		 question_missing(struct request *r);	/* 404: no such signal */
#endif
