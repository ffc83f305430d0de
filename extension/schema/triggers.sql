-- Partitions that must exist, and updated_at kept by the database.

PERFORM sc.make_partitions();

DECLARE
    t regclass;
BEGIN
    -- hot tables set updated_at themselves: a trigger would cost them a call per row
    FOR t IN
        SELECT a.attrelid::regclass
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'sc'::regnamespace AND c.relkind = 'r'
          AND a.attname = 'updated_at' AND NOT a.attisdropped
          AND c.relname NOT IN ('video_progress', 'exam_attempts', 'exam_results', 'exam_sums')
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER set_updated_at BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION sc.set_updated_at()', t);
    END LOOP;
END;
