-- A paused trigger is known by its name (model/trigger_key.py), no longer by its position among its process's triggers.
CREATE TABLE paused_by_name (
    product TEXT NOT NULL REFERENCES product (id),
    process TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (product, process, name)
) WITHOUT ROWID;

WITH live AS (
    SELECT p.id AS product, json_extract(process.value, '$.name') AS process, t.key AS position, t.value AS t,
        json_extract(t.value, '$.kind') AS kind
    FROM product p JOIN deployment d ON d.id = p.live JOIN revision r ON r.product = p.id AND r.hash = d.hash,
        json_each(r.spec, '$.processes') process, json_each(process.value, '$.triggers') t
), called AS (
    SELECT product, process, position, kind || CASE
        WHEN kind = 'http' THEN ':' || json_extract(t, '$.method') || ' ' || json_extract(t, '$.path')
        WHEN kind = 'port' THEN ':' || json_extract(t, '$.port')
        WHEN kind = 'event' THEN ':' || json_extract(t, '$.name')
        WHEN kind = 'schedule' AND json_extract(t, '$.cron') IS NOT NULL
            THEN ':' || json_extract(t, '$.cron') || ' ' || json_extract(t, '$.timezone')
        WHEN kind = 'schedule' THEN ':every ' || CASE
            WHEN json_extract(t, '$.every_s') = CAST(json_extract(t, '$.every_s') AS INTEGER)
            THEN CAST(json_extract(t, '$.every_s') AS INTEGER)
            ELSE json_extract(t, '$.every_s') END
        WHEN kind = 'once' AND json_extract(t, '$.at') IS NOT NULL THEN ':' || json_extract(t, '$.at')
        ELSE '' END AS name
    FROM live
), numbered AS (
    SELECT product, process, position, name,
        row_number() OVER (PARTITION BY product, process, name ORDER BY position) AS number
    FROM called
)
INSERT INTO paused_by_name
SELECT n.product, n.process, n.name || CASE WHEN n.number > 1 THEN '~' || n.number ELSE '' END
FROM paused_trigger old JOIN numbered n ON
    n.product = old.product AND n.process = old.process AND n.position = old.position;

DROP TABLE paused_trigger;
ALTER TABLE paused_by_name RENAME TO paused_trigger;

-- Where schedules stand is in the log.
DROP TABLE schedule;
