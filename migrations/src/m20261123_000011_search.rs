//! What lists are sorted, filtered and searched by: a row for each repository that serves something, its tags, its words.
//!
//! Rows of what was published before are made by the hub when it starts: folding text is its business, not the
//! database's.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

use crate::script;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        script::run(manager, UP).await?;
        script::run_each(manager, WORDS_OF_SQLITE, WORDS_OF_POSTGRES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        script::run(manager, DOWN).await
    }
}

const UP: &str = "
ALTER TABLE card ADD COLUMN words text;

CREATE TABLE repo_search (
    repo_id      $OTHERS_ID REFERENCES repo (id),
    public_id    $KEY NOT NULL UNIQUE,
    kind         text NOT NULL,
    namespace_id bigint NOT NULL REFERENCES namespace (id),
    visibility   text NOT NULL,
    namespace    $KEY NOT NULL,
    name         $KEY NOT NULL,
    commit_id    bigint NOT NULL REFERENCES repo_commit (id),
    published_at bigint NOT NULL,
    modified_at  bigint NOT NULL,
    created_at   bigint NOT NULL,
    downloads    bigint NOT NULL,
    parameters   bigint NOT NULL,
    bytes        bigint NOT NULL,
    version      integer NOT NULL
);
CREATE INDEX repo_search_by_publication ON repo_search (kind, published_at, public_id);
CREATE INDEX repo_search_by_publication_of_all ON repo_search (published_at, public_id);
CREATE INDEX repo_search_by_modification ON repo_search (kind, modified_at, public_id);
CREATE INDEX repo_search_by_creation ON repo_search (kind, created_at, public_id);
CREATE INDEX repo_search_by_downloads ON repo_search (kind, downloads, public_id);
CREATE INDEX repo_search_by_parameters ON repo_search (kind, parameters, public_id);
CREATE INDEX repo_search_by_bytes ON repo_search (kind, bytes, public_id);
CREATE INDEX repo_search_by_name ON repo_search (kind, name, public_id, visibility, namespace_id);
CREATE INDEX repo_search_by_namespace ON repo_search (kind, namespace, visibility, namespace_id);
CREATE INDEX repo_search_visible ON repo_search (kind, visibility, namespace_id);
CREATE INDEX repo_search_namespace ON repo_search (namespace_id);
CREATE INDEX repo_search_commit ON repo_search (commit_id);
CREATE INDEX repo_search_version ON repo_search (version);
CREATE INDEX repo_gated ON repo (gated) WHERE gated <> 'none';

CREATE TABLE repo_tag (
    repo_id    bigint NOT NULL REFERENCES repo (id),
    tag        $KEY NOT NULL,
    kind       text NOT NULL,
    spelling   text,
    repo_kind  text NOT NULL,
    visibility text NOT NULL,
    PRIMARY KEY (repo_id, tag)
) $CLUSTERED;
CREATE INDEX repo_tag_tag ON repo_tag (repo_kind, tag, visibility, repo_id, kind, spelling);
";

/// Words come folded and cut from the hub, so the tokenizer must only find the spaces between them: `ascii` takes every
/// letter beyond ASCII for part of a word. Nothing but who has which word in which column is kept.
const WORDS_OF_SQLITE: &str = "
CREATE VIRTUAL TABLE repo_words USING fts5 (
    labels, card, tokenize = 'ascii', detail = column, content = '', contentless_delete = 1
);
";

/// Text vectors are made of words as they come, without a parser of the server's. Substrings of names are found by their
/// trigrams if the server has that extension and lets this user have it; otherwise all names are read, which is slower.
const WORDS_OF_POSTGRES: &str = "
CREATE TABLE repo_words (
    repo_id bigint PRIMARY KEY REFERENCES repo (id),
    labels  tsvector NOT NULL,
    words   tsvector NOT NULL
);
CREATE INDEX repo_words_labels ON repo_words USING gin (labels);
CREATE INDEX repo_words_words ON repo_words USING gin (words);
DO 'BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX repo_search_trigrams ON repo_search USING gin (name gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING ''searching names will be slower: %'', SQLERRM;
END';
";

const DOWN: &str = "
DROP TABLE repo_words;
DROP TABLE repo_tag;
DROP TABLE repo_search;
DROP INDEX repo_gated;
ALTER TABLE card DROP COLUMN words;
";
