-- Webhooks: how far each one has come.

-- A row a webhook, by its name in the configuration; it begins with the newest event there is when it is first seen.  The one
-- relay that holds its advisory lock sends, and writes here.
CREATE TABLE webhooks (
  name          text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
  seq           bigint NOT NULL CHECK (seq >= 0),   -- all events up to here were delivered, left out or not wanted
  failing_since timestamptz,                        -- no attempt has succeeded since
  parked_at     timestamptz,                        -- given up; NULL again: go on from seq
  parked_why    text,
  updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT webhooks_parked CHECK ((parked_at IS NULL) = (parked_why IS NULL)))
  WITH (fillfactor = 50);                           -- written once a second: within its page
GRANT SELECT, INSERT, UPDATE ON webhooks TO tocsin_relay;
GRANT SELECT ON webhooks TO tocsin_reader;
