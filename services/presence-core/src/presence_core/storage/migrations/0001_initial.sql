-- The four tables of the original presence server with their columns and meanings (times: epoch seconds), our own
-- columns behind them, and the tables of ownership and of the registrar.

CREATE TABLE cluster (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shards   int NOT NULL
);

CREATE TABLE lease (
    shard int PRIMARY KEY,
    epoch bigint NOT NULL,
    owner text NOT NULL
);

CREATE TABLE presentity (
    id            bigserial,
    username      text NOT NULL,
    domain        text NOT NULL,
    event         text NOT NULL,
    etag          text NOT NULL,
    expires       int NOT NULL,
    received_time int NOT NULL,
    body          bytea NOT NULL,
    pub           text NOT NULL DEFAULT gen_random_uuid()::text,
    shard         int,
    content_type  text NOT NULL DEFAULT '',
    sender        text NOT NULL DEFAULT '',
    callid        text NOT NULL DEFAULT '',
    cseq          bigint NOT NULL DEFAULT 0,
    from_tag      text NOT NULL DEFAULT '',
    modified      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (username, domain, event, pub)
) WITH (fillfactor = 50);
CREATE INDEX presentity_shard ON presentity (shard);

CREATE TABLE active_watchers (
    id               bigserial,
    presentity_uri   text NOT NULL,
    watcher_username text NOT NULL,
    watcher_domain   text NOT NULL,
    to_user          text NOT NULL,
    to_domain        text NOT NULL,
    event            text NOT NULL DEFAULT 'presence',
    event_id         text,
    to_tag           text NOT NULL,
    from_tag         text NOT NULL,
    callid           text NOT NULL,
    local_cseq       bigint NOT NULL,
    remote_cseq      bigint NOT NULL,
    contact          text NOT NULL,
    record_route     text,
    expires          int NOT NULL,
    status           int NOT NULL DEFAULT 2,
    reason           text NOT NULL DEFAULT '',
    version          bigint NOT NULL DEFAULT 0,
    socket_info      text NOT NULL,
    local_contact    text NOT NULL,
    shard            int,
    watcher_uri      text NOT NULL DEFAULT '',
    local_uri        text NOT NULL DEFAULT '',
    remote_uri       text NOT NULL DEFAULT '',
    event_header     text NOT NULL DEFAULT '',
    accept           text,
    edge             text NOT NULL DEFAULT '',
    flow_remote      text NOT NULL DEFAULT '',
    flow_connection  bigint NOT NULL DEFAULT 0,
    notified         bigint,
    PRIMARY KEY (to_tag),
    UNIQUE (presentity_uri, callid, to_tag, from_tag)
) WITH (fillfactor = 70);
CREATE INDEX active_watchers_shard ON active_watchers (shard);

CREATE TABLE watchers (
    id               bigserial PRIMARY KEY,
    presentity_uri   text NOT NULL,
    watcher_username text NOT NULL,
    watcher_domain   text NOT NULL,
    event            text NOT NULL DEFAULT 'presence',
    status           int NOT NULL,
    reason           text,
    inserted_time    int NOT NULL,
    UNIQUE (presentity_uri, watcher_username, watcher_domain, event)
);

CREATE TABLE xcap (
    id       bigserial PRIMARY KEY,
    username text NOT NULL,
    domain   text NOT NULL,
    doc      bytea NOT NULL,
    doc_type int NOT NULL,
    etag     text NOT NULL,
    source   int NOT NULL,
    doc_uri  text NOT NULL,
    port     int NOT NULL,
    UNIQUE (username, domain, doc_type, doc_uri)
);
CREATE INDEX xcap_source ON xcap (source);

CREATE TABLE location (
    username text NOT NULL,
    domain   text NOT NULL,
    contact  text NOT NULL,
    expires  int NOT NULL,
    q        text NOT NULL DEFAULT '',
    instance text NOT NULL DEFAULT '',
    callid   text NOT NULL,
    cseq     bigint NOT NULL,
    shard    int NOT NULL,
    PRIMARY KEY (username, domain, contact)
);
CREATE INDEX location_shard ON location (shard);
