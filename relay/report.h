/* report: what the relay tells about itself: /healthz, /readyz, /v1/status and STATUS to the watchdog. */
#ifndef TOCSIN_RELAY_REPORT_H
#define TOCSIN_RELAY_REPORT_H
#include <stdbool.h>

struct request;
struct jsonw;
struct relay;

/* Live events, their history and the list: each needs its session.  Else `why`, static or valid until the next turn of the loop. */
bool	 report_is_ready(const struct relay *r, const char **why);

void	 report_health(struct request *req);	/* 200: the loop turns */
void	 report_ready(const struct relay *r, struct request *req);
void	 report_status(const struct relay *r, struct request *req);
void	 report_metrics(const struct relay *r, struct request *req);	/* for Prometheus, see metrics.h */
void	 report_heartbeat(const struct relay *r, struct jsonw *w);	/* short: it must fit the pipe */
#endif
