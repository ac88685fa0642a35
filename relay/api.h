/*
 * api: what is answered from the database.  All of it shows only what belongs to
 * the symbols of who asks.
 */
#ifndef TOCSIN_RELAY_API_H
#define TOCSIN_RELAY_API_H
struct questions;
struct request;

/*
 * {"signals":[record…],"cursor":"EPOCH-SEQ","next":ID or null}, newest first.
 * `cursor` is the place in the log that the list is current to, so a stream
 * after it misses nothing; `next` continues the list with before=ID.
 */
void	 api_signals(struct questions *q, struct request *req);

/*
 * Below /v1/signals/: GET ID is {"signal":record or null (deleted),"events":[…]};
 * POST ID/ack (scope ack) and ID/cancel (scope admin) are {"changed":…,"signal":record},
 * and may be repeated.  404: no such signal; 409: it is closed already.
 */
void	 api_signal(struct questions *q, struct request *req);

/* {"candles":[…],"next":TIME or null} of one exchange, symbol and timeframe: the newest before a time, oldest first. */
void	 api_candles(struct questions *q, struct request *req);

/* {"strategies":[…]}: how closed signals ended, a strategy. */
void	 api_stats(struct questions *q, struct request *req);
#endif
