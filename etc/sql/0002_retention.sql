-- Retention, and signals that are closed when they are inserted.

-- The log again, with two things new: a signal inserted closed (it came too late, see max_age) is told as closed, never as
-- opened; and what retention deletes is no event: nobody who looked at it half a season ago has to be told.
CREATE OR REPLACE FUNCTION signals_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO signal_events (seq, op, kind, signal_id, record)
      SELECT seq, 'INSERT', CASE WHEN status = 'active' THEN 'opened' ELSE 'closed' END, id, row_to_json(n) FROM new_rows n ORDER BY seq;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO signal_events (seq, op, kind, signal_id, record, old)
      SELECT n.seq, 'UPDATE',
             CASE WHEN n.status <> o.status THEN 'closed' WHEN n.targets_hit > o.targets_hit THEN 'target_hit'
                  WHEN n.stop_loss <> o.stop_loss THEN 'stop_moved' ELSE 'acked' END,
             n.id, row_to_json(n), row_to_json(o)
      FROM new_rows n JOIN old_rows o USING (id) WHERE n.seq <> o.seq ORDER BY n.seq;
  ELSIF current_setting('tocsin.retention', true) IS DISTINCT FROM 'on' THEN
    INSERT INTO signal_events (seq, op, kind, signal_id, old)
      SELECT nextval('signal_seq'), 'DELETE', 'deleted', id, row_to_json(o) FROM old_rows o ORDER BY id;
  END IF;
  RETURN NULL;
END $$;

-- Delete up to `batch` rows of each kind that are older than `keep`, never less than a day: closed signals by when they were
-- written last, events by their time (the newest one stays: it is everybody's cursor), candles by how far they lie behind the
-- newest one of their series (a replay's are old from the start), but not those within `keep_candles`.  Returns how many.
CREATE FUNCTION tocsin_retain(keep interval, keep_candles interval, batch integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  cutoff timestamptz := clock_timestamp() - greatest(keep, interval '1 day');
  deleted bigint := 0;
  part bigint;
  series record;
BEGIN
  PERFORM set_config('tocsin.retention', 'on', true);
  DELETE FROM signals WHERE id IN
    (SELECT id FROM signals WHERE created_at < cutoff AND updated_at < cutoff AND status <> 'active' ORDER BY created_at LIMIT batch);
  GET DIAGNOSTICS part = ROW_COUNT;
  deleted := deleted + part;
  PERFORM set_config('tocsin.retention', 'off', true);

  DELETE FROM signal_events WHERE seq IN (SELECT seq FROM signal_events ORDER BY seq LIMIT batch)
    AND at < cutoff AND seq < (SELECT max(seq) FROM signal_events);
  GET DIAGNOSTICS part = ROW_COUNT;
  deleted := deleted + part;

  FOR series IN
    WITH RECURSIVE s AS (
      (SELECT exchange, symbol, timeframe FROM candles ORDER BY exchange, symbol, timeframe LIMIT 1)
      UNION ALL
      SELECT n.* FROM s, LATERAL (SELECT c.exchange, c.symbol, c.timeframe FROM candles c
        WHERE (c.exchange, c.symbol, c.timeframe) > (s.exchange, s.symbol, s.timeframe)
        ORDER BY c.exchange, c.symbol, c.timeframe LIMIT 1) n)
    SELECT s.*, (SELECT max(open_time) FROM candles c WHERE (c.exchange, c.symbol, c.timeframe) = (s.exchange, s.symbol, s.timeframe))
      - greatest(keep, keep_candles, interval '1 day') AS before FROM s
  LOOP
    DELETE FROM candles c WHERE (c.exchange, c.symbol, c.timeframe) = (series.exchange, series.symbol, series.timeframe)
      AND c.open_time < series.before AND c.open_time <= (SELECT max(open_time) FROM
        (SELECT o.open_time FROM candles o WHERE (o.exchange, o.symbol, o.timeframe) = (series.exchange, series.symbol, series.timeframe)
         ORDER BY o.open_time LIMIT batch) AS oldest);
    GET DIAGNOSTICS part = ROW_COUNT;
    deleted := deleted + part;
  END LOOP;
  RETURN deleted;
END $$;
REVOKE EXECUTE ON FUNCTION tocsin_retain(interval, interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tocsin_retain(interval, interval, integer) TO tocsin_generator;
