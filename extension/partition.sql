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

CREATE FUNCTION sc.make_partitions(months_ahead int DEFAULT 3, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    log text;
    first_month date := date_trunc('month', make_partitions.at AT TIME ZONE 'UTC')::date;
    month date;
    name text;
    made int := 0;
BEGIN
    FOREACH log IN ARRAY ARRAY['video_access_log', 'answer_log'] LOOP
        FOR i IN -1 .. months_ahead LOOP
            month := first_month + make_interval(months => i);
            name := log || '_' || to_char(month, 'YYYYMM');
            IF to_regclass('sc.' || name) IS NULL THEN
                EXECUTE format('CREATE TABLE sc.%I PARTITION OF sc.%I FOR VALUES FROM (%L) TO (%L)',
                               name, log, month::text || ' 00:00+00',
                               (month + interval '1 month')::date::text || ' 00:00+00');
                made := made + 1;
            END IF;
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
    dropped int := 0;
BEGIN
    IF keep_months < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'keep_months must be at least 1';
    END IF;
    FOR p IN
        SELECT c.oid::regclass AS partition, to_date(right(c.relname, 6), 'YYYYMM') AS month
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('sc.video_access_log'::regclass, 'sc.answer_log'::regclass)
          AND c.relname ~ '_[0-9]{6}$'
    LOOP
        IF p.month < (date_trunc('month', drop_partitions.at AT TIME ZONE 'UTC') - make_interval(months => keep_months))::date THEN
            EXECUTE format('DROP TABLE %s', p.partition);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION sc.drop_partitions(int, timestamptz) IS
    'drops monthly partitions of the logs older than keep_months; returns how many';
