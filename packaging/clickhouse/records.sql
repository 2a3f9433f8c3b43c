-- The table of the clickhouse output, and a view that adds summaries of all nodes up. Run once:
--   clickhouse-client --multiquery < records.sql
-- A request that is sent again is known by its insert_deduplication_token; a record that comes twice in different requests is one row
-- once parts are merged (ReplacingMergeTree), and at once with FINAL.

CREATE DATABASE IF NOT EXISTS squelch;

CREATE TABLE IF NOT EXISTS squelch.records
(
    timestamp          DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    observed_timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    kind               LowCardinality(String),
    event_name         LowCardinality(String),
    severity_text      LowCardinality(String),
    severity_number    UInt8,
    body               String CODEC(ZSTD),
    stream             LowCardinality(String),
    node               LowCardinality(String),
    namespace          LowCardinality(String),
    resource           Map(LowCardinality(String), String),
    attributes         Map(LowCardinality(String), String),
    fingerprint        LowCardinality(String),
    template           LowCardinality(String),
    class              LowCardinality(String),
    storm_id           String,
    state              LowCardinality(String),
    count              UInt64,
    lines              UInt64,
    bytes              UInt64,
    first_timestamp    DateTime64(9, 'UTC'),
    last_timestamp     DateTime64(9, 'UTC'),
    per_second         Array(Tuple(Int64, UInt64)),
    instances          Array(String),
    record             String CODEC(ZSTD),
    uid                String MATERIALIZED JSONExtractString(record, 'log.record.uid')
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(timestamp)
ORDER BY (fingerprint, timestamp, uid)
SETTINGS non_replicated_deduplication_window = 1000;

-- What all nodes absorbed, minute by minute. A resent record would count twice in a sum, so counts are kept by uid.
CREATE TABLE IF NOT EXISTS squelch.per_minute
(
    minute      DateTime('UTC'),
    fingerprint LowCardinality(String),
    uid         String,
    template    SimpleAggregateFunction(any, String),
    class       SimpleAggregateFunction(any, String),
    node        SimpleAggregateFunction(any, String),
    count       SimpleAggregateFunction(max, UInt64),
    instances   SimpleAggregateFunction(groupUniqArrayArray, Array(String))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(minute)
ORDER BY (minute, fingerprint, uid);

CREATE MATERIALIZED VIEW IF NOT EXISTS squelch.per_minute_of_records TO squelch.per_minute AS
SELECT
    toStartOfMinute(timestamp) AS minute,
    fingerprint,
    JSONExtractString(record, 'log.record.uid') AS uid,
    template,
    class,
    node,
    count,
    instances
FROM squelch.records
WHERE kind = 'summary';
