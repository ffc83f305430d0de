-- The ground for every other test: extension and tables.
CREATE EXTENSION student_coach;
SELECT sc.install();
-- again: nothing to do, nothing lost
SELECT sc.install();
