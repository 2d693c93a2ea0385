//! Table `repo`: repositories.

use acervo_core::gate::GateMode;
use sea_orm::{
    ActiveModelBehavior, DeriveActiveEnum, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use crate::db::entity::choice::{RepoKindColumn, VisibilityColumn};
use crate::db::entity::value::{Sha256Column, Ts};

/// A named, typed collection of commits.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repo")]
pub struct Model {
    /// Key; never leaves the database.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Random id of 24 hex digits that clients see as `_id`.
    pub public_id: String,
    /// Model, dataset or space.
    pub kind: RepoKindColumn,
    /// Namespace the name begins with.
    pub namespace_id: i64,
    /// Last segment of the name, as spelled here.
    pub name: String,
    /// `namespace/name`, as spelled here.
    pub full_name: String,
    /// The full name in ASCII lower case; unique among repositories of its kind.
    pub full_name_lower: String,
    /// Who may know that it exists.
    pub visibility: VisibilityColumn,
    /// Whether the contents wait for consent here.
    pub gated: Gated,
    /// Written here, or a mirror.
    pub origin: Origin,
    /// Base URL of the hub it is mirrored from.
    pub upstream_endpoint: Option<String>,
    /// Its name there, `namespace/name` or bare, in upstream's spelling.
    pub upstream_name: Option<String>,
    /// When it was created upstream.
    pub upstream_created_at: Option<Ts>,
    /// Branch taken when no revision is named.
    pub default_branch: String,
    /// Number of downloads counted here.
    pub downloads: i64,
    /// When it was made here.
    pub created_at: Ts,
    /// When something was last published in it.
    pub updated_at: Ts,
    /// Whether upstream asks for consent first.
    pub upstream_gated: Gated,
    /// SHA-256 of the terms that must be accepted here; one of `terms`.
    pub gate_terms: Option<Sha256Column>,
    /// Whether somebody here has decided on the gate, so that what upstream says no longer closes it.
    pub gate_chosen: bool,
}

/// Whether a repository's files wait for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Gated {
    /// They do not.
    #[sea_orm(string_value = "none")]
    None,
    /// Given at once to those who accept the terms.
    #[sea_orm(string_value = "auto")]
    Auto,
    /// Given after somebody has looked at the request.
    #[sea_orm(string_value = "manual")]
    Manual,
}

impl From<GateMode> for Gated {
    fn from(mode: GateMode) -> Self {
        match mode {
            GateMode::Open => Gated::None,
            GateMode::Automatic => Gated::Auto,
            GateMode::Manual => Gated::Manual,
        }
    }
}

impl From<Gated> for GateMode {
    fn from(gated: Gated) -> Self {
        match gated {
            Gated::None => GateMode::Open,
            Gated::Auto => GateMode::Automatic,
            Gated::Manual => GateMode::Manual,
        }
    }
}

/// Where a repository's commits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Origin {
    /// Written here.
    #[sea_orm(string_value = "local")]
    Local,
    /// Taken from an upstream; no local commits.
    #[sea_orm(string_value = "mirror")]
    Mirror,
}

/// None are declared: queries name their joins.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
