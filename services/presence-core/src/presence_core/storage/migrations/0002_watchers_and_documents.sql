-- Decisions about watchers, what watcher information tells of a subscription, things that are over for good, and word
-- of every change of an XCAP document.

ALTER TABLE active_watchers
    ADD COLUMN display_name  text NOT NULL DEFAULT '',
    ADD COLUMN inserted_time int NOT NULL DEFAULT 0,
    ADD COLUMN cause         text NOT NULL DEFAULT 'subscribe';
-- When these began is not known: they count from now.
UPDATE active_watchers SET inserted_time = extract(epoch FROM now())::int;

ALTER TABLE watchers
    ADD COLUMN shard        int,
    ADD COLUMN watcher_uri  text NOT NULL DEFAULT '',
    ADD COLUMN watcher_id   text NOT NULL DEFAULT '',
    ADD COLUMN display_name text NOT NULL DEFAULT '';
CREATE INDEX watchers_shard ON watchers (shard);

CREATE TABLE ending (
    username text NOT NULL,
    domain   text NOT NULL,
    event    text NOT NULL,
    name     text NOT NULL,
    until    int NOT NULL,
    shard    int NOT NULL,
    PRIMARY KEY (username, domain, event, name)
);
CREATE INDEX ending_shard ON ending (shard);

CREATE TABLE xcap_wanted (
    username text NOT NULL,
    domain   text NOT NULL,
    wanted   int NOT NULL,
    PRIMARY KEY (username, domain)
);

CREATE FUNCTION xcap_tell(username text, domain text, doc_type int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    payload text := json_build_object('username', username, 'domain', domain, 'doc_type', doc_type);
BEGIN
    -- A longer payload is an error, which would refuse the document; and no presentity has so long a name.
    IF octet_length(payload) < 8000 THEN
        PERFORM pg_notify('xcap', payload);
    END IF;
END $$;

CREATE FUNCTION xcap_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR (OLD.username, OLD.domain) <> (NEW.username, NEW.domain)) THEN
        PERFORM xcap_tell(OLD.username, OLD.domain, OLD.doc_type);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM xcap_tell(NEW.username, NEW.domain, NEW.doc_type);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER xcap_changed AFTER INSERT OR UPDATE OR DELETE ON xcap FOR EACH ROW EXECUTE FUNCTION xcap_changed();
