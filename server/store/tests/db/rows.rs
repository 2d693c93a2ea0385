//! A row of every table: what is written is what is read.

use acervo_core::order::Follow;
use acervo_core::{Rules, Selection, Sha256Digest};
use acervo_store::db::Database;
use acervo_store::db::entity::choice::{EntryKindColumn, RefKindColumn, RepoKindColumn, RoleColumn, VisibilityColumn};
use acervo_store::db::entity::value::{Names, OidColumn, RulesColumn, SelectionColumn, Sha256Column, Ts};
use acervo_store::db::entity::{
    access_grant, access_request, api_token, blob, card, collection, collection_item, commit_tag, decision,
    entry_segment, event, job, job_log, listing, listing_segment, mirror, mirror_order, mirror_request, namespace,
    principal, provenance, quarantine, ref_event, repo, repo_alias, repo_commit, repo_ref, repo_search, repo_tag,
    terms, terms_consent, tree_entry, upstream_budget, webhook, webhook_delivery, worker,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IdenStatic, IntoActiveModel, Iterable, Statement};
use serde_json::json;
use uuid::Uuid;

/// Inserts a row, reads it back through the entity, and compares the table's columns with the entity's.
async fn round_trip<E>(db: &Database, row: E::Model)
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + PartialEq + std::fmt::Debug + Clone + Sync,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let table = E::default().table_name().to_owned();
    E::insert(row.clone().into_active_model())
        .exec_without_returning(db.writer())
        .await
        .unwrap_or_else(|error| panic!("cannot insert into `{table}`: {error}"));
    let read = E::find().one(db.reader()).await.unwrap_or_else(|error| panic!("cannot read `{table}`: {error}"));
    assert_eq!(read, Some(row), "table `{table}`");

    let backend = db.reader().get_database_backend();
    let any = Statement::from_string(backend, format!("SELECT * FROM {table}"));
    let columns = db.reader().query_one_raw(any).await.unwrap().unwrap().column_names();
    let expected: Vec<String> = E::Column::iter().map(|column| column.as_str().to_owned()).collect();
    assert_eq!(columns, expected, "columns of table `{table}`");
}

fn sha256(text: &str) -> Sha256Column {
    Sha256Digest::of(text.as_bytes()).into()
}

fn oid(text: &str) -> OidColumn {
    acervo_core::GitOid::of_blob(text.as_bytes()).into()
}

pub(crate) fn a_principal() -> principal::Model {
    principal::Model {
        id: 1,
        kind: principal::Kind::Person,
        name: "Ada".to_owned(),
        name_lower: "ada".to_owned(),
        display_name: Some("Ada L.".to_owned()),
        email: Some("ada@example.org".to_owned()),
        disabled_at: None,
        created_at: Ts(1_700_000_000_007),
    }
}

fn a_namespace() -> namespace::Model {
    namespace::Model {
        id: 2,
        name: "Lab".to_owned(),
        name_lower: "lab".to_owned(),
        kind: namespace::Kind::Organization,
        owner_id: Some(1),
        origin: namespace::Origin::Local,
        reserved: true,
        created_at: Ts(1),
    }
}

fn a_repo() -> repo::Model {
    repo::Model {
        id: 3,
        public_id: "0123456789abcdef01234567".to_owned(),
        kind: RepoKindColumn::Dataset,
        namespace_id: 2,
        name: "Stars".to_owned(),
        full_name: "Lab/Stars".to_owned(),
        full_name_lower: "lab/stars".to_owned(),
        visibility: VisibilityColumn::Internal,
        gated: repo::Gated::Manual,
        origin: repo::Origin::Mirror,
        upstream_endpoint: Some("https://hub.example.org".to_owned()),
        upstream_name: Some("stars".to_owned()),
        upstream_created_at: Some(Ts(-1)),
        default_branch: "main".to_owned(),
        downloads: i64::MAX,
        created_at: Ts(1),
        updated_at: Ts(2),
        upstream_gated: repo::Gated::Auto,
        gate_terms: Some(sha256("terms")),
        gate_chosen: true,
    }
}

pub(crate) fn a_job() -> job::Model {
    job::Model {
        id: Uuid::now_v7(),
        kind: "sync".to_owned(),
        payload: json!({"mirror": 9}),
        state: job::State::Running,
        dedup_key: Some("sync:9".to_owned()),
        priority: -5,
        run_at: Ts(1),
        attempts: 1,
        attempts_max: 5,
        lease_until: Some(Ts(2)),
        fence: 3,
        worker_id: Some(Uuid::now_v7()),
        heartbeat_at: Some(Ts(2)),
        progress: Some(json!({"bytes": 4})),
        outcome: Some(json!(null)),
        error: Some("no route to host".to_owned()),
        cancel_requested: true,
        created_by: Some(1),
        created_at: Ts(1),
        started_at: Some(Ts(1)),
        finished_at: Some(Ts(1)),
        organization: Some("acme".to_owned()),
        pause_requested: true,
        repo_id: Some(3),
    }
}

/// One row of every table, each able to stand because of those before it.
pub(crate) async fn every_table_round_trips(db: &Database) {
    round_trip::<principal::Entity>(db, a_principal()).await;
    round_trip::<namespace::Entity>(db, a_namespace()).await;
    round_trip::<api_token::Entity>(
        db,
        api_token::Model {
            id: 4,
            principal_id: 1,
            name: "laptop".to_owned(),
            hash: sha256("token"),
            hint: "wxyz".to_owned(),
            role: RoleColumn::Writer,
            created_at: Ts(1),
            expires_at: Some(Ts(2)),
            revoked_at: Some(Ts(3)),
            last_used_at: None,
        },
    )
    .await;
    round_trip::<repo::Entity>(db, a_repo()).await;
    round_trip::<repo_alias::Entity>(
        db,
        repo_alias::Model {
            id: 5,
            kind: RepoKindColumn::Dataset,
            alias_lower: "stars".to_owned(),
            alias: "Stars".to_owned(),
            repo_id: 3,
            cause: repo_alias::Cause::Canonical,
            created_at: Ts(1),
        },
    )
    .await;
    round_trip::<access_grant::Entity>(
        db,
        access_grant::Model {
            id: 6,
            principal_id: 1,
            scope: access_grant::Scope::Repo,
            namespace_id: None,
            repo_id: Some(3),
            role: RoleColumn::Admin,
            created_at: Ts(1),
            created_by: Some(1),
            order_id: Some(21),
        },
    )
    .await;
    gates_round_trip(db).await;
    collections_round_trip(db).await;
    round_trip::<blob::Entity>(
        db,
        blob::Model {
            id: 7,
            sha256: sha256("weights"),
            size: 1 << 50,
            created_at: Ts(1),
            verified_at: Ts(2),
            quarantined_at: Some(Ts(3)),
        },
    )
    .await;
    round_trip::<provenance::Entity>(
        db,
        provenance::Model {
            id: 8,
            blob_id: 7,
            repo_id: 3,
            endpoint: "https://hub.example.org".to_owned(),
            upstream_name: "stars".to_owned(),
            commit_oid: oid("commit"),
            path: "data/Ω.parquet".to_owned(),
            verified_by: provenance::VerifiedBy::GitOid,
            job_id: Some(Uuid::now_v7()),
            received_at: Ts(1),
            way: provenance::Way::Found,
        },
    )
    .await;
    round_trip::<quarantine::Entity>(
        db,
        quarantine::Model {
            id: 9,
            repo_id: Some(3),
            endpoint: "https://hub.example.org".to_owned(),
            path: "model.bin".to_owned(),
            declared_oid: Some(oid("declared")),
            declared_sha256: Some(sha256("declared")),
            declared_size: 10,
            actual_sha256: Some(sha256("actual")),
            actual_size: 11,
            reason: "one byte too many".to_owned(),
            at: Ts(1),
            job_id: None,
        },
    )
    .await;
    listings_and_commits_round_trip(db).await;
    round_trip::<mirror::Entity>(
        db,
        mirror::Model {
            id: 18,
            repo_id: 3,
            upstream_endpoint: "https://hub.example.org".to_owned(),
            upstream_name: "stars".to_owned(),
            revisions: Names(vec!["main".to_owned()]),
            include: Names(vec!["*.parquet".to_owned()]),
            exclude: Names::default(),
            managed_by: mirror::ManagedBy::File,
            paused: false,
            schedule: Some("0 3 * * *".to_owned()),
            created_at: Ts(1),
            updated_at: Ts(2),
            created_by: Some(1),
            last_job_id: Some(Uuid::now_v7()),
            last_synced_at: Some(Ts(3)),
            order_id: Some(21),
            further_rules: RulesColumn(Rules {
                follow: Follow { newest_tags: Some(3), ..Follow::default() },
                upstreams: vec!["https://two.example.org".to_owned()],
                ..Rules::default()
            }),
            priority: -4,
            next_run_at: Some(Ts(5)),
            seen: Some(json!({ "name": "acme/x" })),
        },
    )
    .await;
    round_trip::<mirror_order::Entity>(
        db,
        mirror_order::Model {
            id: 21,
            name: "stars".to_owned(),
            managed_by: mirror::ManagedBy::Api,
            spec: json!({"name": "stars"}),
            created_at: Ts(1),
            updated_at: Ts(2),
            created_by: Some(1),
            next_run_at: Some(Ts(5)),
        },
    )
    .await;
    round_trip::<upstream_budget::Entity>(
        db,
        upstream_budget::Model {
            source: "https://hub.example.org".to_owned(),
            window_start: 1,
            taken: 2,
            held_until: 3,
            background_held_until: 4,
        },
    )
    .await;
    let job = a_job();
    round_trip::<job::Entity>(db, job.clone()).await;
    round_trip::<job_log::Entity>(
        db,
        job_log::Model { job_id: job.id, seq: 1, at: Ts(2), level: job_log::Level::Warn, text: "slow".to_owned() },
    )
    .await;
    round_trip::<mirror_request::Entity>(
        db,
        mirror_request::Model {
            id: 21,
            public_id: "abcdef0123456789abcdef01".to_owned(),
            asked_by: Some(1),
            kind: RepoKindColumn::Model,
            name: "Acme/Tiny".to_owned(),
            name_lower: "acme/tiny".to_owned(),
            revisions: Names(vec!["v1".to_owned()]),
            reason: "for a course".to_owned(),
            state: mirror_request::State::Declined,
            asked_at: Ts(1),
            decided_at: Some(Ts(2)),
            decided_by: Some(1),
            answer: Some("too large".to_owned()),
            repo_id: Some(3),
            job_id: Some(job.id),
        },
    )
    .await;
    round_trip::<worker::Entity>(
        db,
        worker::Model {
            id: Uuid::now_v7(),
            host: "node-1".to_owned(),
            pid: 4242,
            started_at: Ts(1),
            heartbeat_at: Ts(2),
        },
    )
    .await;
    round_trip::<event::Entity>(
        db,
        event::Model {
            id: 19,
            seq: Some(1),
            at: Ts(1),
            kind: "repo.created".to_owned(),
            actor_id: Some(1),
            repo_id: Some(3),
            subject: "Lab/Stars".to_owned(),
            body: b"{}\0\xff".to_vec(),
        },
    )
    .await;
    round_trip::<webhook::Entity>(
        db,
        webhook::Model { name: "chat".to_owned(), taken_seq: i64::MAX, created_at: Ts(1) },
    )
    .await;
    round_trip::<webhook_delivery::Entity>(
        db,
        webhook_delivery::Model {
            id: Uuid::now_v7(),
            hook: "chat".to_owned(),
            event_seq: 1,
            state: webhook_delivery::State::Dead,
            attempts: 10,
            next_attempt_at: Ts(5),
            lease_until: Some(Ts(6)),
            fence: 11,
            attempted_at: Some(Ts(4)),
            last_status: Some(500),
            last_error: Some("it answered 500".to_owned()),
            created_at: Ts(3),
            ended_at: Some(Ts(7)),
        },
    )
    .await;
}

async fn gates_round_trip(db: &Database) {
    let row = terms::Model { sha256: sha256("terms"), body: "For research\nalone.".to_owned(), created_at: Ts(1) };
    round_trip::<terms::Entity>(db, row).await;
    round_trip::<access_request::Entity>(
        db,
        access_request::Model {
            id: 20,
            public_id: "fedcba9876543210fedcba98".to_owned(),
            repo_id: 3,
            principal_id: 1,
            state: access_request::State::Rejected,
            granted: true,
            asked_at: Ts(1),
            decided_at: Some(Ts(2)),
            decided_by: Some(1),
            reason: Some("not a member".to_owned()),
        },
    )
    .await;
    let row = terms_consent::Model { principal_id: 1, repo_id: 3, terms: sha256("terms"), accepted_at: Ts(1) };
    round_trip::<terms_consent::Entity>(db, row).await;
}

async fn collections_round_trip(db: &Database) {
    round_trip::<collection::Entity>(
        db,
        collection::Model {
            id: 21,
            public_id: "0123456789abcdef01234567".to_owned(),
            namespace_id: 2,
            title: "Recent models".to_owned(),
            description: Some("What is new".to_owned()),
            folded: "recent models what is new".to_owned(),
            theme: collection::Theme::Indigo,
            visibility: VisibilityColumn::Internal,
            position: 3,
            created_by: Some(1),
            created_at: Ts(1),
            updated_at: Ts(2),
        },
    )
    .await;
    round_trip::<collection_item::Entity>(
        db,
        collection_item::Model {
            id: 22,
            public_id: "123456789abcdef012345678".to_owned(),
            collection_id: 21,
            repo_id: 3,
            position: 4,
            note: Some("the best".to_owned()),
            added_by: Some(1),
            added_at: Ts(3),
        },
    )
    .await;
}

async fn listings_and_commits_round_trip(db: &Database) {
    round_trip::<entry_segment::Entity>(
        db,
        entry_segment::Model { id: 10, repo_id: 3, digest: sha256("segment"), entry_count: 1, created_at: Ts(1) },
    )
    .await;
    round_trip::<tree_entry::Entity>(
        db,
        tree_entry::Model {
            segment_id: 10,
            path: "data/Ω.parquet".to_owned(),
            parent: "data".to_owned(),
            kind: EntryKindColumn::File,
            size: 12,
            oid: oid("pointer"),
            lfs_sha256: Some(sha256("weights")),
            lfs_pointer_size: Some(130),
            blob_id: Some(7),
        },
    )
    .await;
    round_trip::<listing::Entity>(
        db,
        listing::Model {
            id: 11,
            repo_id: 3,
            digest: sha256("listing"),
            entry_count: 2,
            file_count: 1,
            total_bytes: 12,
            created_at: Ts(1),
        },
    )
    .await;
    round_trip::<listing_segment::Entity>(
        db,
        listing_segment::Model { listing_id: 11, ordinal: 0, first_path: "data".to_owned(), segment_id: 10 },
    )
    .await;
    round_trip::<repo_commit::Entity>(
        db,
        repo_commit::Model {
            id: 12,
            repo_id: 3,
            oid: oid("commit"),
            state: repo_commit::State::Held,
            title: "Add stars".to_owned(),
            message: String::new(),
            authors: Names(vec!["ada".to_owned()]),
            committed_at: Some(Ts(1)),
            predecessor: Some(oid("older")),
            upstream_listing_id: Some(11),
            served_listing_id: Some(11),
            selection: Some(SelectionColumn(Selection {
                include: vec!["*.parquet".to_owned()],
                exclude: vec!["old/".to_owned()],
                presets: vec!["safetensors-only".parse().unwrap()],
            })),
            upstream_info: Some(json!({"likes": 3})),
            created_at: Ts(1),
            published_at: Some(Ts(2)),
        },
    )
    .await;
    round_trip::<commit_tag::Entity>(db, commit_tag::Model { commit_id: 12, tag: "license:mit".to_owned() }).await;
    round_trip::<card::Entity>(
        db,
        card::Model {
            commit_id: 12,
            blob_id: 7,
            front_matter: Some(b"license: mit\n".to_vec()),
            data: Some(json!({"license": "mit"})),
            parse_error: None,
            created_at: Ts(1),
            words: Some("stars seen".to_owned()),
        },
    )
    .await;
    round_trip::<repo_search::Entity>(
        db,
        repo_search::Model {
            repo_id: 3,
            public_id: "0123456789abcdef01234567".to_owned(),
            kind: RepoKindColumn::Dataset,
            namespace_id: 2,
            visibility: VisibilityColumn::Internal,
            namespace: "lab".to_owned(),
            name: "lab/stars".to_owned(),
            commit_id: 12,
            published_at: Ts(2),
            modified_at: Ts(-1),
            created_at: Ts(1),
            downloads: i64::MAX,
            parameters: 0,
            bytes: 1 << 50,
            version: 1,
        },
    )
    .await;
    round_trip::<repo_tag::Entity>(
        db,
        repo_tag::Model {
            repo_id: 3,
            tag: "license:mit".to_owned(),
            kind: "license".to_owned(),
            spelling: Some("license:MIT".to_owned()),
            repo_kind: RepoKindColumn::Dataset,
            visibility: VisibilityColumn::Internal,
        },
    )
    .await;
    round_trip::<decision::Entity>(
        db,
        decision::Model {
            id: 13,
            commit_id: 12,
            outcome: decision::Outcome::Waived,
            decided_by: Some(1),
            policy_digest: Some(sha256("policy")),
            reason: "needed for the course".to_owned(),
            expires_at: Some(Ts(9)),
            at: Ts(1),
        },
    )
    .await;
    round_trip::<repo_ref::Entity>(
        db,
        repo_ref::Model {
            id: 14,
            repo_id: 3,
            kind: RefKindColumn::PullRequest,
            name: "refs/pr/1".to_owned(),
            served_commit_id: Some(12),
            upstream_oid: Some(oid("commit")),
            upstream_seen_at: Some(Ts(1)),
            updated_at: Ts(1),
        },
    )
    .await;
    round_trip::<ref_event::Entity>(
        db,
        ref_event::Model {
            id: 15,
            repo_id: 3,
            kind: RefKindColumn::Convert,
            name: "refs/convert/parquet".to_owned(),
            old_oid: None,
            new_oid: Some(oid("commit")),
            cause: "sync".to_owned(),
            at: Ts(1),
        },
    )
    .await;
}
