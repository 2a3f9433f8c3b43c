-- What the fleet retries right now: messages by what all nodes absorbed in the last five minutes.
SELECT fingerprint, any(template) AS template, sum(count) AS retries, uniqExact(node) AS nodes, length(groupUniqArrayArray(instances)) AS instances
FROM
(
    SELECT minute, fingerprint, uid, any(template) AS template, any(node) AS node, max(count) AS count, groupUniqArrayArray(instances) AS instances
    FROM squelch.per_minute
    WHERE minute >= now() - INTERVAL 5 MINUTE
    GROUP BY minute, fingerprint, uid
)
GROUP BY fingerprint
ORDER BY retries DESC
LIMIT 20;

-- Who retries in lock-step: the variance of retries per second over all nodes, divided by their mean. Near 1 is spread, far above is not.
SELECT fingerprint, any(template) AS template, varPop(retries) / avg(retries) AS dispersion
FROM
(
    SELECT fingerprint, any(template) AS template, second, sum(n) AS retries
    FROM
    (
        SELECT fingerprint, template, per.1 AS second, per.2 AS n
        FROM squelch.records FINAL
        ARRAY JOIN per_second AS per
        WHERE kind = 'summary' AND timestamp >= now() - INTERVAL 5 MINUTE
    )
    GROUP BY fingerprint, second
)
GROUP BY fingerprint
ORDER BY dispersion DESC;

-- Storms that have not ended.
SELECT storm_id, argMax(state, observed_timestamp) AS last_state, argMax(body, observed_timestamp) AS alert
FROM squelch.records
WHERE kind = 'storm' AND timestamp >= now() - INTERVAL 1 DAY
GROUP BY storm_id
HAVING last_state != 'resolved';
