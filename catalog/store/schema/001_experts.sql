-- The first shape of the catalog. A migration is never edited once it has been released; a change is a new file.
--
-- Rules that the code keeps and that no constraint can: the tables below `experts` name an expert by its number,
-- everything of one expert is written in one transaction, and ids and aliases share one name space.

-- What is so of the catalog as a whole: the running sum behind its digest, the format of its postings.
CREATE TABLE meta (
    key VARCHAR PRIMARY KEY,
    value VARCHAR NOT NULL
);

-- `digest` is the expert's identity, `number` a short name for joins that means nothing outside this file.
CREATE TABLE experts (
    number INTEGER PRIMARY KEY,
    digest VARCHAR NOT NULL UNIQUE,
    id VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL,
    family VARCHAR,
    space VARCHAR,
    prediction VARCHAR,
    title VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    license VARCHAR,
    license_evidence VARCHAR NOT NULL,
    rating VARCHAR,
    trigger VARCHAR,
    size BIGINT NOT NULL,      -- bytes of all its files
    shape VARCHAR NOT NULL,    -- over the signatures of its files: experts of one shape meet a base alike
    length FLOAT NOT NULL,     -- of its text, in weighted words: ranking divides by it
    content VARCHAR NOT NULL,  -- sha256 over all that the catalog's digest is to notice
    facts VARCHAR NOT NULL     -- JSON of ExpertFacts, without the files
);

CREATE TABLE files (
    expert INTEGER NOT NULL,
    position INTEGER NOT NULL,
    role VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    tensors_sha256 VARCHAR NOT NULL,
    autov3 VARCHAR NOT NULL,
    blake3 VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    width INTEGER,
    height INTEGER,
    signature VARCHAR NOT NULL  -- empty for a file that holds no tensors
);

-- Where copies of a file lie on this machine, and how they looked when they were hashed. Never exported.
CREATE TABLE locations (
    expert INTEGER NOT NULL,
    position INTEGER NOT NULL,
    copy INTEGER NOT NULL,  -- the first copy is 0
    location VARCHAR NOT NULL,
    size BIGINT,
    mtime_ns BIGINT,
    ctime_ns BIGINT,
    inode UBIGINT,
    device UBIGINT
);

-- Names, dtypes and shapes of tensors; files of one trainer and rank share a row. zlib over JSON.
CREATE TABLE signatures (digest VARCHAR PRIMARY KEY, content BLOB NOT NULL);

-- Small files that checking needs: configurations, tokenizers. zlib over UTF-8.
CREATE TABLE texts (sha256 VARCHAR PRIMARY KEY, content BLOB NOT NULL);

-- Everything that was said of an expert, whether it won or not. Values are JSON.
CREATE TABLE claims (
    expert INTEGER NOT NULL,
    position INTEGER NOT NULL,
    key VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    evidence VARCHAR NOT NULL,
    source VARCHAR NOT NULL
);

CREATE TABLE aliases (alias VARCHAR PRIMARY KEY, expert INTEGER NOT NULL);
CREATE TABLE tags (expert INTEGER NOT NULL, position INTEGER NOT NULL, tag VARCHAR NOT NULL);
CREATE TABLE triggers (expert INTEGER NOT NULL, position INTEGER NOT NULL, trigger VARCHAR NOT NULL);

-- The simple licences of an expert's expression, one a row, so that a filter needs no parser.
CREATE TABLE licenses (expert INTEGER NOT NULL, license VARCHAR NOT NULL);

-- Measured capability: the share of `n` pictures in which `name` was right, with its 95 % interval. `bench` and
-- `model` say by what and on which base it was measured, once that is recorded.
CREATE TABLE capabilities (
    expert INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    share DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    n INTEGER NOT NULL,
    bench VARCHAR NOT NULL DEFAULT '',
    model VARCHAR NOT NULL DEFAULT ''
);

-- Relations between two experts by their digests; either may be absent from the catalog. Values are JSON.
CREATE TABLE edges (
    relation VARCHAR NOT NULL,
    first VARCHAR NOT NULL,
    second VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    content VARCHAR NOT NULL,  -- as in experts
    PRIMARY KEY (relation, first, second)
);

-- How the tensors of one shape meet those of another: computed once, so that checking a plan reads no header.
CREATE TABLE coverages (
    base VARCHAR NOT NULL,
    shape VARCHAR NOT NULL,
    complete BOOLEAN NOT NULL,
    result VARCHAR NOT NULL,  -- JSON; empty where the two cannot be compared from what is kept
    PRIMARY KEY (base, shape)
);

-- What used an expert and when: a run, a lock, a plan. Kept by digest, so that it outlives the expert's row.
CREATE TABLE usage (
    digest VARCHAR NOT NULL,
    place VARCHAR NOT NULL,  -- the plan's or lock's path
    action VARCHAR NOT NULL, -- "checked", "locked", "ran"
    moment TIMESTAMP NOT NULL
);

-- Where an expert may be had from: hubs and registries. Filled by a later version.
CREATE TABLE sources (
    digest VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    reference VARCHAR NOT NULL,
    content VARCHAR NOT NULL,  -- JSON, as the source tells it
    moment TIMESTAMP NOT NULL
);

-- Search: words in their normal form, and how much weight each has in an expert's text.
CREATE TABLE terms (number INTEGER PRIMARY KEY, term VARCHAR NOT NULL UNIQUE);
CREATE TABLE postings (term INTEGER NOT NULL, expert INTEGER NOT NULL, weight FLOAT NOT NULL);

-- A plan asks for its experts one by one: a scan of every file for each would be most of what checking takes.
CREATE INDEX files_expert ON files (expert);
CREATE INDEX files_sha256 ON files (sha256);
CREATE INDEX locations_expert ON locations (expert);
