-- name: ready
SELECT to_regclass('xcap') IS NOT NULL AND to_regclass('xcap_wanted') IS NOT NULL

-- name: want
INSERT INTO xcap_wanted (username, domain, wanted) VALUES ($1, $2, $3)
ON CONFLICT (username, domain) DO UPDATE SET wanted = greatest(xcap_wanted.wanted, excluded.wanted)

-- name: wanted
SELECT username, domain, wanted FROM xcap_wanted ORDER BY wanted DESC LIMIT $1

-- name: forget
WITH gone AS (
    DELETE FROM xcap_wanted WHERE wanted < $1 RETURNING username, domain
), dropped AS (
    DELETE FROM xcap USING gone
    WHERE xcap.source = 1 AND xcap.username = gone.username AND xcap.domain = gone.domain
)
SELECT count(*) FROM gone

-- name: documents
SELECT doc_uri, doc_type, doc, etag FROM xcap WHERE source = 1 AND username = $1 AND domain = $2

-- name: insert
INSERT INTO xcap (username, domain, doc_type, doc_uri, port, source, doc, etag)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
ON CONFLICT DO NOTHING
RETURNING true

-- name: update
UPDATE xcap SET port = $5, doc = $6, etag = $7
WHERE username = $1 AND domain = $2 AND doc_type = $3 AND doc_uri = $4 AND source = 1 AND etag = $8 AND doc = $9
RETURNING true

-- name: remove
DELETE FROM xcap
WHERE username = $1 AND domain = $2 AND doc_type = $3 AND doc_uri = $4 AND source = 1 AND etag = $5
RETURNING true

-- name: drop
DELETE FROM xcap
WHERE source = 1 AND username = $1 AND domain = $2
    AND (doc_uri, doc_type) IN (SELECT * FROM unnest($3::text[], $4::int[]))

-- name: find
SELECT username, domain FROM xcap WHERE source = 1 AND doc_uri = $1 AND port = $2 LIMIT 1
