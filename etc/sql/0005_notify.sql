-- Notifications that only the event log can have sent, a lock that nobody else can take, and the log across a promotion.

-- Who writes signals holds the old lock until he commits; from the end of this transaction on all take the new one.
LOCK TABLE signals IN SHARE ROW EXCLUSIVE MODE;

-- The lock: whoever writes signals takes it, with its owner's rights.  An advisory lock can be held by any role, this not.
CREATE TABLE tocsin_turn (nothing boolean);
CREATE OR REPLACE FUNCTION signals_lock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  LOCK TABLE tocsin_turn IN EXCLUSIVE MODE;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tocsin_blocker(OUT pid integer, OUT username text, OUT state text, OUT query text) RETURNS SETOF record
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.state, ''), coalesce(left(a.query, 200), '')
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND (l.relation = 'tocsin_turn'::regclass OR l.relation = 'signals'::regclass) AND l.mode <> 'AccessShareLock'
  ORDER BY l.relation <> 'tocsin_turn'::regclass LIMIT 1
$$;

-- For each timeline of the server in which events were logged: the newest event of the timelines before it.  A standby that is
-- promoted begins a timeline; what is not above that event is the same in both, so a cursor of the old one is good in the new one.
CREATE TABLE tocsin_timelines (timeline bigint PRIMARY KEY, after_seq bigint NOT NULL);
INSERT INTO tocsin_timelines VALUES (('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint, 0);

CREATE OR REPLACE FUNCTION signals_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  here bigint := ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM tocsin_timelines WHERE timeline = here) THEN
    INSERT INTO tocsin_timelines SELECT here, coalesce(max(seq), 0) FROM signal_events;
  END IF;
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

-- The key of notifications, as HMAC (RFC 2104, SHA-256) uses it: 32 secret bytes, filled up to 64, with its two paddings.
CREATE TABLE tocsin_notify_key (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
  outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64));

-- Another one, at random: for the first time, and when it has become known.  The relay takes it up by itself.
CREATE FUNCTION tocsin_new_notify_key() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  key bytea := sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));
  inside bytea := '';
  outside bytea := '';
  octet integer;
BEGIN
  FOR i IN 0..63 LOOP
    octet := CASE WHEN i < 32 THEN get_byte(key, i) ELSE 0 END;
    inside := inside || set_byte('\x00', 0, octet # 54);
    outside := outside || set_byte('\x00', 0, octet # 92);
  END LOOP;
  INSERT INTO tocsin_notify_key (inner_pad, outer_pad) VALUES (inside, outside)
    ON CONFLICT (only_row) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad;
END $$;
SELECT tocsin_new_notify_key();

-- An event's text with one more member at its end, "mac": the first 16 bytes of the HMAC of the text without it.  Anybody may
-- NOTIFY; who has no right to the key cannot make the relay tell what is not in the log.  Less than 8,000 bytes with all of it.
CREATE OR REPLACE FUNCTION signal_events_notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  k_inner bytea;
  k_outer bytea;
BEGIN
  SELECT inner_pad, outer_pad INTO k_inner, k_outer FROM tocsin_notify_key;
  PERFORM pg_notify('signals', left(body, -1) || ',"mac":"' ||
    encode(substr(sha256(k_outer || sha256(k_inner || convert_to(body, 'UTF8'))), 1, 16), 'hex') || '"}')
  FROM (SELECT CASE WHEN octet_length(whole) <= 7958 THEN whole ELSE signal_event_text(e, false) END AS body
        FROM (SELECT e, signal_event_text(e, true) AS whole
              FROM (SELECT ROW(n.*)::signal_events AS e FROM new_events n ORDER BY n.seq) AS r) AS t) AS b;
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION tocsin_new_notify_key() FROM PUBLIC;
GRANT SELECT ON tocsin_timelines TO tocsin_generator, tocsin_relay, tocsin_reader;
GRANT SELECT ON tocsin_notify_key TO tocsin_relay;

-- The server's end of a session whose client is gone is closed within 9 s (before: 16), and its locks with it.
DO $$
DECLARE r text; s text;
BEGIN
  FOREACH r IN ARRAY ARRAY['tocsin_generator', 'tocsin_relay', 'tocsin_reader'] LOOP
    FOREACH s IN ARRAY ARRAY['tcp_keepalives_idle = 2', 'tcp_keepalives_interval = 1', 'tcp_keepalives_count = 3', 'tcp_user_timeout = 4000'] LOOP
      EXECUTE format('ALTER ROLE %I SET ', r) || s;
    END LOOP;
  END LOOP;
END $$;
