/* report: what the relay tells about itself: /healthz, /readyz, /v1/status and STATUS to the watchdog. */
#ifndef TOCSIN_RELAY_REPORT_H
#define TOCSIN_RELAY_REPORT_H

struct request;
struct jsonw;
struct relay;

void	 report_health(struct request *req);	/* 200: the loop turns */
void	 report_ready(const struct relay *r, struct request *req);
void	 report_status(const struct relay *r, struct request *req);
void	 report_metrics(const struct relay *r, struct request *req);	/* for Prometheus, see metrics.h */
void	 report_heartbeat(const struct relay *r, struct jsonw *w);	/* short: it must fit the pipe */
#endif
