-- The monthly partitions of the logs.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
CREATE FUNCTION pg_temp.months(log text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(right(c.relname, 6), ' ' ORDER BY c.relname) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('sc.' || log) AND c.relname ~ '_2099|_2100' $$;

-- 1. from last month to so many ahead, over the end of the year, once
SELECT sc.make_partitions(2, '2099-11-30 23:59:59.999Z'), pg_temp.months('video_access_log'), pg_temp.months('answer_log');
SELECT sc.make_partitions(2, '2099-11-30 23:59:59.999Z');

-- 2. a row on each side of a border goes where it belongs
INSERT INTO sc.video_access_log (at, video_id, granted, reason) VALUES ('2099-11-30 23:59:59.999999Z', -1, true, 'ok'), ('2099-12-01 00:00:00Z', -1, true, 'ok'), ('2100-06-15Z', -1, false, 'locked');
SELECT tableoid::regclass AS partition, at, reason FROM sc.video_access_log WHERE video_id = -1 ORDER BY at;

-- 3. the month whose partition comes late takes its rows out of the rest
SELECT sc.make_partitions(0, '2100-06-20Z');
SELECT tableoid::regclass AS partition, at, reason FROM sc.video_access_log WHERE video_id = -1 ORDER BY at;

-- 4. dropping keeps what was asked for, and sweeps the rest
INSERT INTO sc.video_access_log (at, video_id, granted, reason) VALUES ('2098-01-01Z', -1, true, 'ok');
SELECT sc.drop_partitions(7, '2100-06-20Z') >= 2 AS dropped, pg_temp.months('video_access_log');
SELECT tableoid::regclass AS partition, at FROM sc.video_access_log WHERE video_id = -1 ORDER BY at;
SAVEPOINT s;
SELECT sc.drop_partitions(0);
ROLLBACK TO s;
ROLLBACK;
