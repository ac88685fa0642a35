-- Signals, their event log, candles and strategy state.  PostgreSQL 13 or newer.
-- Prices and quantities: exact numeric, in units of the quote and the base currency.
-- Times: timestamptz.  Ratios and confidence: 0 to 1, never percent.
-- `tocsin migrate` runs each file of this folder once, in a transaction of its own.

-- Roles, with the least rights each needs.  They belong to the cluster, so they may exist already.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['tocsin_generator', 'tocsin_relay', 'tocsin_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', r);
    END IF;
  END LOOP;
END $$;
-- A transaction left open would hold the lock below and stop every signal.
ALTER ROLE tocsin_generator SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE tocsin_relay     SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE tocsin_reader    SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE tocsin_generator SET lock_timeout = '2s';
ALTER ROLE tocsin_generator SET statement_timeout = '30s';
ALTER ROLE tocsin_relay     SET statement_timeout = '30s';
ALTER ROLE tocsin_reader    SET statement_timeout = '60s';
-- Over TCP, a client that vanished must not hold its locks for hours.
DO $$
DECLARE r text; s text;
BEGIN
  FOREACH r IN ARRAY ARRAY['tocsin_generator', 'tocsin_relay', 'tocsin_reader'] LOOP
    FOREACH s IN ARRAY ARRAY['tcp_keepalives_idle = 4', 'tcp_keepalives_interval = 2', 'tcp_keepalives_count = 2', 'tcp_user_timeout = 8000'] LOOP
      EXECUTE format('ALTER ROLE %I SET ', r) || s;
    END LOOP;
  END LOOP;
END $$;
-- Times in JSON carry the session's zone: one for all.
ALTER ROLE tocsin_generator SET timezone = 'UTC';
ALTER ROLE tocsin_relay     SET timezone = 'UTC';
ALTER ROLE tocsin_reader    SET timezone = 'UTC';

-- One row: tells this set of tables from any other that a cursor might come from.
CREATE TABLE tocsin_instance (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id       uuid NOT NULL DEFAULT gen_random_uuid(),
  writer   uuid);                          -- the generator that took over last: who finds another here is out of date
INSERT INTO tocsin_instance DEFAULT VALUES;

CREATE SEQUENCE signal_seq;

CREATE TABLE signals (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq               bigint NOT NULL DEFAULT nextval('signal_seq'),  -- of this row's latest event: the cursor
  exchange          text NOT NULL CHECK (exchange ~ '^[a-z0-9_]{1,32}$'),
  symbol            text NOT NULL CHECK (symbol ~ '^[A-Z0-9.]{1,20}/[A-Z0-9.]{1,20}$'),  -- BASE/QUOTE
  timeframe         text NOT NULL CHECK (timeframe IN ('1m','3m','5m','15m','30m','1h','2h','4h','6h','12h','1d')),
  strategy          text NOT NULL CHECK (strategy ~ '^[a-z0-9_]{1,48}$'),
  strategy_version  integer NOT NULL DEFAULT 1 CHECK (strategy_version > 0),
  params_hash       text NOT NULL DEFAULT '',          -- first 16 hex digits of sha256 of the canonical parameters
  side              text NOT NULL CHECK (side IN ('long','short')),
  candle_open_time  timestamptz NOT NULL,              -- of the closed candle that fired
  candle_close_time timestamptz NOT NULL,              -- its end, exclusive
  entry             numeric NOT NULL CHECK (entry > 0),          -- that candle's close
  stop_loss         numeric NOT NULL CHECK (stop_loss > 0),      -- the stop now; it only ever tightens
  initial_stop      numeric NOT NULL CHECK (initial_stop > 0),
  targets           numeric[] NOT NULL CHECK (cardinality(targets) BETWEEN 1 AND 5),
  confidence        real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  reason            text NOT NULL CHECK (length(reason) <= 500), -- a sentence for people
  indicators        jsonb NOT NULL DEFAULT '{}',                 -- the values that fired it
  status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active','target_hit','stopped','expired','cancelled')),
  targets_hit       smallint NOT NULL DEFAULT 0 CHECK (targets_hit BETWEEN 0 AND cardinality(targets)),
  last_price        numeric,
  max_favorable     numeric,                           -- best and worst price seen while active
  max_adverse       numeric,
  exit_price        numeric,
  exit_reason       text CHECK (exit_reason IN ('target','stop_loss','trailing_stop','expired','reversed','feed_gap','operator')),
  outcome           text CHECK (outcome IN ('win','loss','breakeven','void')),
  pnl_ratio         double precision,                  -- (exit - entry) / entry, signed by side, no fees
  r_multiple        double precision,                  -- the same move in units of |entry - initial_stop|
  generated_at      timestamptz NOT NULL,              -- generator's clock when the strategy fired: the latency chain begins
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at        timestamptz NOT NULL,              -- market time
  closed_at         timestamptz,                       -- market time: end of the candle that closed it
  acked_at          timestamptz,                       -- an operator has seen it
  mode              text NOT NULL DEFAULT 'live' CHECK (mode IN ('live','dry_run','replay')),
  CONSTRAINT signals_once UNIQUE (exchange, symbol, timeframe, strategy, strategy_version, params_hash, candle_open_time, mode),
  CONSTRAINT signals_levels CHECK ((side = 'long'  AND initial_stop < entry AND targets[1] > entry)
                                OR (side = 'short' AND initial_stop > entry AND targets[1] < entry)),
  CONSTRAINT signals_times  CHECK (candle_close_time > candle_open_time AND expires_at > candle_close_time),
  CONSTRAINT signals_closed CHECK ((status = 'active') = (closed_at IS NULL) AND (status = 'active') = (outcome IS NULL)
                               AND (status = 'active') = (exit_reason IS NULL)),
  CONSTRAINT signals_hit    CHECK (status <> 'target_hit' OR targets_hit = cardinality(targets))
);
CREATE UNIQUE INDEX signals_seq_idx  ON signals (seq);
CREATE UNIQUE INDEX signals_one_open ON signals (exchange, symbol, timeframe, strategy, mode) WHERE status = 'active';
CREATE INDEX signals_created_idx     ON signals (created_at DESC, id DESC);

-- Append-only.  No foreign key: a deleted signal keeps its history.
CREATE TABLE signal_events (
  seq       bigint PRIMARY KEY,
  op        text NOT NULL CHECK (op IN ('INSERT','UPDATE','DELETE')),
  kind      text NOT NULL CHECK (kind IN ('opened','target_hit','stop_moved','closed','acked','deleted')),
  signal_id bigint NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  record    json,                          -- the row after the change; NULL for DELETE
  old       json                           -- the row before it; NULL for INSERT
);

CREATE TABLE candles (
  exchange text, symbol text, timeframe text, open_time timestamptz,
  open numeric NOT NULL, high numeric NOT NULL, low numeric NOT NULL, close numeric NOT NULL,
  volume numeric NOT NULL, trades integer,
  source text NOT NULL CHECK (source IN ('ws','rest','trades','file','sim','filled')),
  PRIMARY KEY (exchange, symbol, timeframe, open_time),
  CHECK (high >= greatest(open, close, low) AND low <= least(open, close, high)));

-- Judged up to here; written in the transaction of the signals that it gave rise to.
CREATE TABLE strategy_state (
  exchange text, symbol text, timeframe text, strategy text,
  last_candle_open_time timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (exchange, symbol, timeframe, strategy));

-- 1. The lock, before any row draws a seq: who commits later has the higher seq.
CREATE FUNCTION signals_lock() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('tocsin.signal_seq'));
  RETURN NULL;
END $$;
CREATE TRIGGER signals_1_lock BEFORE INSERT OR UPDATE OR DELETE ON signals
  FOR EACH STATEMENT EXECUTE FUNCTION signals_lock();

-- 2. The life cycle: a closed signal is final, a stop never loosens, identity never changes.
--    A change worth an event draws a new seq; a refreshed price does not.
CREATE FUNCTION signals_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.exchange, NEW.symbol, NEW.timeframe, NEW.strategy, NEW.side, NEW.candle_open_time, NEW.entry, NEW.initial_stop, NEW.targets)
     IS DISTINCT FROM
     (OLD.exchange, OLD.symbol, OLD.timeframe, OLD.strategy, OLD.side, OLD.candle_open_time, OLD.entry, OLD.initial_stop, OLD.targets) THEN
    RAISE check_violation USING MESSAGE = format('signal %s: identity and levels are immutable', OLD.id);
  END IF;
  IF OLD.status <> 'active' AND (NEW.status, NEW.targets_hit, NEW.stop_loss, NEW.exit_price, NEW.outcome)
     IS DISTINCT FROM (OLD.status, OLD.targets_hit, OLD.stop_loss, OLD.exit_price, OLD.outcome) THEN
    RAISE check_violation USING MESSAGE = format('signal %s is closed (%s)', OLD.id, OLD.status);
  END IF;
  IF NEW.targets_hit < OLD.targets_hit OR (NEW.side = 'long' AND NEW.stop_loss < OLD.stop_loss)
     OR (NEW.side = 'short' AND NEW.stop_loss > OLD.stop_loss) THEN
    RAISE check_violation USING MESSAGE = format('signal %s: targets_hit only rises and a stop never loosens', OLD.id);
  END IF;
  NEW.seq := CASE WHEN (NEW.status, NEW.targets_hit, NEW.stop_loss, NEW.acked_at)
                       IS DISTINCT FROM (OLD.status, OLD.targets_hit, OLD.stop_loss, OLD.acked_at)
                  THEN nextval('signal_seq') ELSE OLD.seq END;
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER signals_2_guard BEFORE UPDATE ON signals FOR EACH ROW EXECUTE FUNCTION signals_guard();

-- 3. The event log, once a statement.  It runs with its owner's rights: nobody else may write the log.
CREATE FUNCTION signals_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO signal_events (seq, op, kind, signal_id, record)
      SELECT seq, 'INSERT', 'opened', id, row_to_json(n) FROM new_rows n ORDER BY seq;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO signal_events (seq, op, kind, signal_id, record, old)
      SELECT n.seq, 'UPDATE',
             CASE WHEN n.status <> o.status THEN 'closed' WHEN n.targets_hit > o.targets_hit THEN 'target_hit'
                  WHEN n.stop_loss <> o.stop_loss THEN 'stop_moved' ELSE 'acked' END,
             n.id, row_to_json(n), row_to_json(o)
      FROM new_rows n JOIN old_rows o USING (id) WHERE n.seq <> o.seq ORDER BY n.seq;
  ELSE
    INSERT INTO signal_events (seq, op, kind, signal_id, old)
      SELECT nextval('signal_seq'), 'DELETE', 'deleted', id, row_to_json(o) FROM old_rows o ORDER BY id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER signals_3_inserted AFTER INSERT ON signals REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION signals_log();
CREATE TRIGGER signals_3_updated  AFTER UPDATE ON signals REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION signals_log();
CREATE TRIGGER signals_3_deleted  AFTER DELETE ON signals REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION signals_log();

-- The one text form of an event: of the notification and of what the relay sends on.
-- Without its record when with_record is false.
CREATE FUNCTION signal_event_text(e signal_events, with_record boolean) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT format('{"seq":%s,"op":"%s","kind":"%s","id":%s,"at":%s', e.seq, e.op, e.kind, e.signal_id, to_json(e.at))
         || CASE WHEN with_record THEN ',"record":' || coalesce(e.record::text, 'null') ELSE '' END || '}'
$$;

-- A notification holds less than 8,000 bytes; an oversized record must never abort the writer.
CREATE FUNCTION signal_events_notify() RETURNS trigger LANGUAGE plpgsql
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
  PERFORM pg_notify('signals', CASE WHEN octet_length(whole) <= 7999 THEN whole ELSE signal_event_text(e, false) END)
  FROM (SELECT e, signal_event_text(e, true) AS whole
        FROM (SELECT ROW(n.*)::signal_events AS e FROM new_events n ORDER BY n.seq) AS r) AS t;
  RETURN NULL;
END $$;
CREATE TRIGGER signal_events_notify AFTER INSERT ON signal_events REFERENCING NEW TABLE AS new_events
  FOR EACH STATEMENT EXECUTE FUNCTION signal_events_notify();

-- Nobody may hang these on a table of his own: signals_log would write into the log for him.
REVOKE EXECUTE ON FUNCTION signals_lock(), signals_guard(), signals_log(), signal_events_notify() FROM PUBLIC;

GRANT SELECT ON tocsin_instance, tocsin_migrations, signals, signal_events, candles, strategy_state
  TO tocsin_generator, tocsin_relay, tocsin_reader;
GRANT INSERT, UPDATE ON signals, candles, strategy_state TO tocsin_generator;
GRANT UPDATE (writer) ON tocsin_instance TO tocsin_generator;
GRANT USAGE ON SEQUENCE signal_seq TO tocsin_generator;
