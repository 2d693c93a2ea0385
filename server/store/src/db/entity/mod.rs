//! Rows as the database holds them: one file per table, every column explained.
//!
//! Owns the shape of rows and how column values become domain values. It deliberately asks no questions of the
//! database: queries live beside, one file per aggregate, and tables are made by the migrations crate.

pub mod access_grant;
pub mod access_request;
pub mod api_token;
pub mod blob;
pub mod card;
pub mod choice;
pub mod collection;
pub mod collection_item;
pub mod commit_tag;
pub mod decision;
pub mod entry_segment;
pub mod event;
pub mod generation;
pub mod job;
pub mod job_log;
pub mod listing;
pub mod listing_segment;
pub mod mirror;
pub mod mirror_order;
pub mod mirror_request;
pub mod multipart_part;
pub mod multipart_upload;
pub mod namespace;
pub mod principal;
pub mod provenance;
pub mod quarantine;
pub mod ref_event;
pub mod repo;
pub mod repo_alias;
pub mod repo_commit;
pub mod repo_ref;
pub mod repo_search;
pub mod repo_tag;
pub mod terms;
pub mod terms_consent;
pub mod tree_entry;
pub mod upstream_budget;
pub mod value;
pub mod webhook;
pub mod webhook_delivery;
pub mod worker;
