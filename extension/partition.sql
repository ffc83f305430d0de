-- Monthly partitions of the logs, and updated_at.

CREATE FUNCTION sc.set_updated_at()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION sc.set_updated_at() IS 'trigger: stamps updated_at';

CREATE FUNCTION sc.make_partition(log text, month date)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    name text := log || '_' || to_char(month, 'YYYYMM');
    rest text := log || '_rest';
    first timestamptz := month::timestamp AT TIME ZONE 'UTC';
    behind timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    columns text;
    stray boolean := false;
BEGIN
    IF to_regclass('sc.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- rows that came while the month had no partition wait in the rest, which
    -- would forbid to make it: they step aside
    IF to_regclass('sc.' || rest) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM sc.%I WHERE at >= $1 AND at < $2)', rest) INTO stray USING first, behind;
    END IF;
    IF stray THEN
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
        FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass('sc.' || log) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        EXECUTE format('LOCK TABLE sc.%I IN ACCESS EXCLUSIVE MODE', log);
        EXECUTE format('CREATE TEMP TABLE stray_rows ON COMMIT DROP AS SELECT %s FROM sc.%I WHERE at >= %L AND at < %L', columns, rest, first, behind);
        EXECUTE format('DELETE FROM sc.%I WHERE at >= $1 AND at < $2', rest) USING first, behind;
    END IF;
    EXECUTE format('CREATE TABLE sc.%I PARTITION OF sc.%I FOR VALUES FROM (%L) TO (%L)', name, log, first, behind);
    IF stray THEN
        EXECUTE format('INSERT INTO sc.%I (%s) SELECT %2$s FROM pg_temp.stray_rows', log, columns);
        DROP TABLE pg_temp.stray_rows;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION sc.make_partition(text, date) IS
    'makes the partition of a month, with the rows of that month that were waiting in the rest; false if it is there';

CREATE FUNCTION sc.make_partitions(months_ahead int DEFAULT 3, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    log text;
    first_month date := date_trunc('month', make_partitions.at AT TIME ZONE 'UTC')::date;
    made int := 0;
BEGIN
    -- one at a time: two workers may be told at once
    PERFORM pg_advisory_xact_lock(hashtext('sc.make_partitions'));
    FOREACH log IN ARRAY ARRAY['video_access_log', 'answer_log'] LOOP
        FOR i IN -1 .. months_ahead LOOP
            made := made + sc.make_partition(log, (first_month + make_interval(months => i))::date)::int;
        END LOOP;
        -- a row is never lost for want of a partition
        IF to_regclass('sc.' || log || '_rest') IS NULL THEN
            EXECUTE format('CREATE TABLE sc.%I PARTITION OF sc.%I DEFAULT', log || '_rest', log);
        END IF;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION sc.make_partitions(int, timestamptz) IS
    'makes the monthly partitions of the logs from last month to months_ahead; returns how many were missing';

CREATE FUNCTION sc.drop_partitions(keep_months int DEFAULT 24, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    p record;
    oldest date := (date_trunc('month', drop_partitions.at AT TIME ZONE 'UTC') - make_interval(months => keep_months))::date;
    dropped int := 0;
BEGIN
    IF keep_months < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'keep_months must be at least 1';
    END IF;
    FOR p IN
        SELECT c.oid::regclass AS partition, c.relname ~ '_[0-9]{6}$' AS monthly,
               CASE WHEN c.relname ~ '_[0-9]{6}$' THEN to_date(right(c.relname, 6), 'YYYYMM') END AS month
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('sc.video_access_log'::regclass, 'sc.answer_log'::regclass)
        ORDER BY c.relname
    LOOP
        IF NOT p.monthly THEN
            EXECUTE format('DELETE FROM %s WHERE at < $1', p.partition) USING oldest::timestamp AT TIME ZONE 'UTC';
        ELSIF p.month < oldest THEN
            EXECUTE format('DROP TABLE %s', p.partition);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION sc.drop_partitions(int, timestamptz) IS
    'drops what the logs hold beyond keep_months: whole monthly partitions, and rows that were in none; returns how many partitions';
