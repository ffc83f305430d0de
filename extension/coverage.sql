-- Union of watched spans.

CREATE FUNCTION sc.coverage_add(internal, int4range)
RETURNS internal
AS 'MODULE_PATHNAME', 'sc_coverage_add'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_add(internal, int4range) IS 'transition function of coverage(int4range)';

CREATE FUNCTION sc.coverage_add_multi(internal, int4multirange)
RETURNS internal
AS 'MODULE_PATHNAME', 'sc_coverage_add_multi'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_add_multi(internal, int4multirange) IS 'transition function of coverage(int4multirange)';

CREATE FUNCTION sc.coverage_combine(internal, internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'sc_coverage_combine'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_combine(internal, internal) IS 'unites two partial states of coverage';

CREATE FUNCTION sc.coverage_serialize(internal)
RETURNS bytea
AS 'MODULE_PATHNAME', 'sc_coverage_serialize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_serialize(internal) IS 'state of coverage, to be sent to the leader of a parallel query';

CREATE FUNCTION sc.coverage_deserialize(bytea, internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'sc_coverage_deserialize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_deserialize(bytea, internal) IS 'inverse of coverage_serialize';

CREATE FUNCTION sc.coverage_final(internal)
RETURNS int4multirange
AS 'MODULE_PATHNAME', 'sc_coverage_final'
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_final(internal) IS 'result of coverage';

CREATE AGGREGATE sc.coverage(int4range) (
    SFUNC = sc.coverage_add,
    STYPE = internal,
    FINALFUNC = sc.coverage_final,
    COMBINEFUNC = sc.coverage_combine,
    SERIALFUNC = sc.coverage_serialize,
    DESERIALFUNC = sc.coverage_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE sc.coverage(int4range) IS 'union of spans; NULL when there is none';

CREATE AGGREGATE sc.coverage(int4multirange) (
    SFUNC = sc.coverage_add_multi,
    STYPE = internal,
    FINALFUNC = sc.coverage_final,
    COMBINEFUNC = sc.coverage_combine,
    SERIALFUNC = sc.coverage_serialize,
    DESERIALFUNC = sc.coverage_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE sc.coverage(int4multirange) IS 'union of the spans of many sets, such as sc.video_progress.segments; NULL when there is none';

CREATE FUNCTION sc.coverage_seconds(segments int4multirange)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sc_coverage_seconds'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sc.coverage_seconds(int4multirange) IS 'total length of the spans';
