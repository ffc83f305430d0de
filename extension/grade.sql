CREATE FUNCTION sc.grade(question_type text, key jsonb, answer jsonb)
RETURNS numeric
AS 'MODULE_PATHNAME', 'sc_grade'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.grade(text, jsonb, jsonb) IS
'Fraction of the marks, in [-1, 1]; NULL: left blank (see answer_is_blank) or a type that a person marks (essay, description). An answer of the wrong shape earns 0.
single       key {"correct": "b"} or {"weights": {"b": 1, "a": -0.25}}, answer "b"
multiple     key {"correct": ["a", "c"]} or {"weights": {…}}, optional "all_or_nothing": true; answer ["a", "c"]; clamped to [0, 1]
truefalse    key {"correct": true}, answer true
numeric      key {"answers": [{"value": "3.14", "tolerance": "0.01", "tolerance_type": "nominal|relative|geometric", "fraction": 1} or {"min": 1, "max": 5} or {"any": true, "fraction": 0}]}, or one of these flat; answer 3.14 or "3,14"
short        key {"answers": [{"text": "Ankara*", "fraction": 1}], "case_sensitive": false}, answer "ankara"
matching     key {"pairs": {"1": "b", "2": "a"}}, answer {"1": "b", "2": "a"}
ordering     key {"order": ["c", "a", "b"], "scoring": "positions|adjacent|exact"}, answer ["c", "a", "b"]
The types may also be written single_choice, multiple_choice, true_false, short_answer.';

CREATE FUNCTION sc.answer_is_blank(question_type text, answer jsonb)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sc_answer_is_blank'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.answer_is_blank(text, jsonb) IS
    'whether an answer is blank: NULL, JSON null, white space, an empty list, or an object without values';

CREATE FUNCTION sc.net(correct int, wrong int, wrongs_per_right numeric)
RETURNS numeric
AS 'MODULE_PATHNAME', 'sc_net'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.net(int, int, numeric) IS
    'Turkish net: correct - wrong / wrongs_per_right; a ratio of NULL or 0 means that wrong answers cost nothing';

CREATE FUNCTION sc.random_guess_score(question_type text, key jsonb, options jsonb DEFAULT NULL)
RETURNS numeric
AS 'MODULE_PATHNAME', 'sc_random_guess_score'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sc.random_guess_score(text, jsonb, jsonb) IS
    'fraction that blind guessing earns on average; NULL where it cannot be said (multiple, essay, unknown number of options)';
