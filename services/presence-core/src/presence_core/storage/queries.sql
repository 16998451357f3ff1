-- Every query of the core. Each write is fenced: `held` counts the leases that still have our epochs, and FOR SHARE
-- makes a take-over wait for the commit. The two frequent writes carry the fence inside, so that a batch of either
-- is one statement; the others stand behind the query `held` in one transaction.

-- name: get_backend
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: end_backend
-- $1 process and $2 start of a backend of ours; $3 seconds to wait for its end. Whether there is none of it any more.
SELECT coalesce(bool_and(pg_terminate_backend(pid, ($3::float8 * 1000)::bigint)), true)
FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz;

-- name: get_shards
SELECT shards FROM cluster;

-- name: set_shards
INSERT INTO cluster (shards) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: claim
-- $1 shards, $2 least epochs, $3 owner. Becomes the writer of the shards.
INSERT INTO lease AS l (shard, epoch, owner)
SELECT shard, epoch, $3 FROM unnest($1::int[], $2::bigint[]) AS n (shard, epoch) ORDER BY shard
ON CONFLICT (shard) DO UPDATE SET epoch = greatest(l.epoch + 1, excluded.epoch), owner = excluded.owner
RETURNING shard, epoch;

-- name: adopt_candidates
-- Publications that another program brought and that no shard has taken yet.
SELECT DISTINCT username, domain FROM presentity WHERE shard IS NULL;

-- name: adopt
-- $1 username, $2 domain, $3 shard.
UPDATE presentity SET shard = $3 WHERE username = $1 AND domain = $2 AND shard IS NULL;

-- name: adopt_watchers_candidates
-- Presentities whose watchers another program brought. Other servers' own numbers of a status mean nothing to us.
SELECT DISTINCT presentity_uri FROM watchers WHERE shard IS NULL AND status BETWEEN 1 AND 4;

-- name: adopt_watchers
-- $1 presentities, $2 shards.
UPDATE watchers w SET shard = n.shard, watcher_id = gen_random_uuid()::text
FROM unnest($1::text[], $2::int[]) n (presentity, shard)
WHERE w.presentity_uri = n.presentity AND w.shard IS NULL AND w.status BETWEEN 1 AND 4;

-- name: load_publications
SELECT username, domain, event, etag, expires, received_time, body, pub, shard, content_type, sender, callid, cseq,
       from_tag, modified
FROM presentity WHERE shard = ANY($1::int[]) ORDER BY modified, id;

-- name: load_subscriptions
SELECT presentity_uri, watcher_uri, event, event_id, to_tag, from_tag, callid, local_cseq, remote_cseq, contact,
       record_route, expires, status, reason, socket_info, local_contact, shard, local_uri, remote_uri,
       event_header, accept, edge, flow_remote, flow_connection, notified, display_name, inserted_time, cause
FROM active_watchers WHERE shard = ANY($1::int[]) ORDER BY id;

-- name: load_contacts
SELECT username, domain, contact, expires, q, instance, callid, cseq, shard
FROM location WHERE shard = ANY($1::int[]) ORDER BY contact;

-- name: load_watchers
SELECT presentity_uri, watcher_username, watcher_domain, event, status, reason, inserted_time, shard, watcher_uri,
       watcher_id, display_name
FROM watchers WHERE shard = ANY($1::int[]) ORDER BY id;

-- name: load_endings
SELECT username, domain, event, name, until, shard
FROM ending WHERE shard = ANY($1::int[]) ORDER BY until, name COLLATE "C";

-- name: load_documents
-- $1 usernames, $2 domains in lower case. Whoever wrote the rows may have kept another case of the domain.
SELECT n.username, n.domain, x.doc_type, x.doc_uri, x.etag, x.doc
FROM unnest($1::text[], $2::text[]) n (username, domain)
JOIN xcap x ON x.username = n.username AND lower(x.domain) = n.domain
ORDER BY x.doc_uri COLLATE "C", x.doc_type;

-- name: save_publications
-- $1 shards and $2 epochs of the batch; then the columns.
WITH held AS MATERIALIZED (
    SELECT l.shard FROM lease l JOIN unnest($1::int[], $2::bigint[]) w (shard, epoch) USING (shard, epoch)
    FOR SHARE OF l)
INSERT INTO presentity (username, domain, event, pub, etag, expires, received_time, body, shard, content_type,
                        sender, callid, cseq, from_tag, modified)
SELECT n.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[],
                       $10::bytea[], $11::int[], $12::text[], $13::text[], $14::text[], $15::bigint[],
                       $16::text[], $17::bigint[]) n
WHERE (SELECT count(*) FROM held) = cardinality($1::int[])
ON CONFLICT (username, domain, event, pub) DO UPDATE
SET etag = excluded.etag, expires = excluded.expires, received_time = excluded.received_time,
    body = excluded.body, content_type = excluded.content_type, sender = excluded.sender,
    callid = excluded.callid, cseq = excluded.cseq, from_tag = excluded.from_tag, modified = excluded.modified;

-- name: save_subscriptions
-- $1 shards and $2 epochs of the batch; then the columns. The CSeq limit and the confirmed state only ever grow
-- through save_progress.
WITH held AS MATERIALIZED (
    SELECT l.shard FROM lease l JOIN unnest($1::int[], $2::bigint[]) w (shard, epoch) USING (shard, epoch)
    FOR SHARE OF l)
INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, event, event_id,
                             to_tag, from_tag, callid, local_cseq, version, remote_cseq, contact, record_route,
                             expires, status, reason, socket_info, local_contact, shard, watcher_uri, local_uri,
                             remote_uri, event_header, accept, edge, flow_remote, flow_connection, display_name,
                             inserted_time, cause)
SELECT n.* FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                       $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[],
                       $16::text[], $17::text[], $18::int[], $19::int[], $20::text[], $21::text[], $22::text[],
                       $23::int[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[],
                       $30::text[], $31::bigint[], $32::text[], $33::int[], $34::text[]) n
WHERE (SELECT count(*) FROM held) = cardinality($1::int[])
ON CONFLICT (to_tag) DO UPDATE
SET remote_cseq = excluded.remote_cseq, contact = excluded.contact, expires = excluded.expires,
    status = excluded.status, reason = excluded.reason, socket_info = excluded.socket_info,
    local_contact = excluded.local_contact, accept = excluded.accept, edge = excluded.edge,
    flow_remote = excluded.flow_remote, flow_connection = excluded.flow_connection,
    display_name = excluded.display_name, cause = excluded.cause;

-- name: save_progress
-- $1 local tags, $2 CSeq limits, $3 hashes of confirmed documents. Behind `held` in one transaction.
UPDATE active_watchers a
SET local_cseq = greatest(a.local_cseq, n.cseq), version = greatest(a.version, n.cseq - 1), notified = n.notified
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) n (tag, cseq, notified)
WHERE a.to_tag = n.tag;

-- name: delete_subscriptions
-- $1 local tags. Behind `held` in one transaction.
DELETE FROM active_watchers WHERE to_tag = ANY($1::text[]);

-- name: save_contacts
-- The columns. Behind `held` in one transaction.
INSERT INTO location (username, domain, contact, expires, q, instance, callid, cseq, shard)
SELECT n.* FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
                       $8::bigint[], $9::int[]) n
ON CONFLICT (username, domain, contact) DO UPDATE
SET expires = excluded.expires, q = excluded.q, instance = excluded.instance, callid = excluded.callid,
    cseq = excluded.cseq;

-- name: save_watchers
-- The columns. Behind `held` in one transaction.
INSERT INTO watchers (presentity_uri, watcher_username, watcher_domain, event, status, reason, inserted_time, shard,
                      watcher_uri, watcher_id, display_name)
SELECT n.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], $8::int[],
                       $9::text[], $10::text[], $11::text[]) n
ON CONFLICT (presentity_uri, watcher_username, watcher_domain, event) DO UPDATE
SET status = excluded.status, reason = excluded.reason, inserted_time = excluded.inserted_time,
    shard = excluded.shard, watcher_uri = excluded.watcher_uri, watcher_id = excluded.watcher_id,
    display_name = excluded.display_name;

-- name: delete_watchers
-- The columns of the key. Behind `held` in one transaction.
DELETE FROM watchers w USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) n (presentity, username, domain,
                                                                                       event)
WHERE w.presentity_uri = n.presentity AND w.watcher_username = n.username AND w.watcher_domain = n.domain
  AND w.event = n.event;

-- name: save_endings
-- The columns. Behind `held` in one transaction.
INSERT INTO ending (username, domain, event, name, until, shard)
SELECT n.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[]) n
ON CONFLICT (username, domain, event, name) DO UPDATE SET until = excluded.until, shard = excluded.shard;

-- name: delete_endings
-- The columns of the key. Behind `held` in one transaction.
DELETE FROM ending e USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) n (username, domain, event, name)
WHERE e.username = n.username AND e.domain = n.domain AND e.event = n.event AND e.name = n.name;

-- name: held
-- $1 shards and $2 epochs. How many of them are still ours; locks them until the end of the transaction.
SELECT count(*) FROM (
    SELECT l.shard FROM lease l JOIN unnest($1::int[], $2::bigint[]) w (shard, epoch) USING (shard, epoch)
    FOR SHARE OF l) AS ours;

-- name: clean_publications
-- $1 shards and $2 epochs; $3 epoch second. Publications that ended before it; tombstones have expires 0.
DELETE FROM presentity p USING lease l, unnest($1::int[], $2::bigint[]) w (shard, epoch)
WHERE l.shard = w.shard AND l.epoch = w.epoch AND p.shard = l.shard
  AND greatest(p.expires, p.received_time) < $3;

-- name: clean_contacts
-- $1 shards and $2 epochs; $3 epoch second.
DELETE FROM location c USING lease l, unnest($1::int[], $2::bigint[]) w (shard, epoch)
WHERE l.shard = w.shard AND l.epoch = w.epoch AND c.shard = l.shard AND c.expires < $3;

-- name: watched
-- $1 shards.
SELECT presentity_uri FROM active_watchers WHERE shard = ANY($1::int[])
UNION SELECT presentity_uri FROM watchers WHERE shard = ANY($1::int[]);

-- name: clean_all_publications
-- $1 shards, $2 epoch second.
DELETE FROM presentity WHERE shard = ANY($1::int[]) AND greatest(expires, received_time) < $2;

-- name: clean_all_contacts
-- $1 shards, $2 epoch second.
DELETE FROM location WHERE shard = ANY($1::int[]) AND expires < $2;

-- name: clean_all_endings
-- $1 shards, $2 epoch second. What no publication may say otherwise any more.
DELETE FROM ending e WHERE shard = ANY($1::int[]) AND until < $2 AND NOT EXISTS (
    SELECT FROM presentity p WHERE p.username = e.username AND p.domain = e.domain AND p.event = e.event);

-- name: presentity
-- $1 canonical AOR, $2 username, $3 domain, $4 types of documents. All that is stored of a presentity, as arrays of
-- rows.
SELECT
    (SELECT array_agg(p ORDER BY p.modified, p.id) FROM presentity p WHERE p.username = $2 AND p.domain = $3)
        AS publications,
    (SELECT array_agg(a ORDER BY a.id) FROM active_watchers a WHERE a.presentity_uri = $1) AS subscriptions,
    (SELECT array_agg(c ORDER BY c.contact) FROM location c WHERE c.username = $2 AND c.domain = $3) AS contacts,
    (SELECT array_agg(w ORDER BY w.id) FROM watchers w WHERE w.presentity_uri = $1 AND w.status BETWEEN 1 AND 4)
        AS watchers,
    (SELECT array_agg(e ORDER BY e.until, e.name COLLATE "C") FROM ending e WHERE e.username = $2 AND e.domain = $3)
        AS endings,
    (SELECT array_agg(x ORDER BY x.doc_uri COLLATE "C", x.doc_type) FROM xcap x
     WHERE x.username = $2 AND lower(x.domain) = $3 AND x.doc_type = ANY($4::int[])) AS documents;
