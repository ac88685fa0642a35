-- What an operator may do with a signal through the relay: acknowledge it, cancel it.  The relay's role may write no table, so
-- these run with their owner's rights.  Each can be asked twice: `verdict` is done, same (it was so before), missing, or closed
-- (too late); `record` is the signal as it is then.
--
-- The UPDATE comes before any other lock on the row: the writer takes the lock of signals first, and so must whoever else writes.

-- `seen` limits whose signals there are for the one who asks; NULL: all.
CREATE FUNCTION tocsin_ack(signal bigint, seen text[], OUT verdict text, OUT record json)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
  verdict := 'same';
  IF EXISTS (SELECT FROM signals s WHERE s.id = signal AND s.acked_at IS NULL AND (seen IS NULL OR s.symbol = ANY (seen))) THEN
    UPDATE signals s SET acked_at = clock_timestamp() WHERE s.id = signal AND s.acked_at IS NULL;
    IF FOUND THEN
      verdict := 'done';
    END IF;
  END IF;
  SELECT row_to_json(s) INTO record FROM signals s WHERE s.id = signal AND (seen IS NULL OR s.symbol = ANY (seen));
  IF record IS NULL THEN
    verdict := 'missing';
  END IF;
END $$;

-- Closed at the last price that was seen, with no outcome: an operator's word is no verdict on the strategy.
CREATE FUNCTION tocsin_cancel(signal bigint, seen text[], OUT verdict text, OUT record json)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
  verdict := 'same';
  IF EXISTS (SELECT FROM signals s WHERE s.id = signal AND s.status = 'active' AND (seen IS NULL OR s.symbol = ANY (seen))) THEN
    UPDATE signals s SET status = 'cancelled', exit_reason = 'operator', outcome = 'void', last_price = coalesce(s.last_price, s.entry),
      exit_price = coalesce(s.last_price, s.entry), closed_at = greatest(clock_timestamp(), s.candle_close_time),
      pnl_ratio = CASE s.side WHEN 'long' THEN 1 ELSE -1 END * (coalesce(s.last_price, s.entry) - s.entry) / s.entry,
      r_multiple = CASE s.side WHEN 'long' THEN 1 ELSE -1 END * (coalesce(s.last_price, s.entry) - s.entry) / abs(s.entry - s.initial_stop)
    WHERE s.id = signal AND s.status = 'active';
    IF FOUND THEN
      verdict := 'done';
    END IF;
  END IF;
  SELECT row_to_json(s), CASE WHEN s.exit_reason = 'operator' THEN verdict ELSE 'closed' END INTO record, verdict
    FROM signals s WHERE s.id = signal AND (seen IS NULL OR s.symbol = ANY (seen));
  IF record IS NULL THEN
    verdict := 'missing';
  END IF;
END $$;

REVOKE EXECUTE ON FUNCTION tocsin_ack(bigint, text[]), tocsin_cancel(bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tocsin_ack(bigint, text[]), tocsin_cancel(bigint, text[]) TO tocsin_relay;

-- One signal's history, without reading the whole log.
CREATE INDEX signal_events_signal_idx ON signal_events (signal_id, seq);
